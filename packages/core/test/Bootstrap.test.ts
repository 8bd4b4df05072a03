import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Schema from "effect/Schema"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Result from "effect/Result"
import * as Bootstrap from "../src/Bootstrap.ts"
import * as PeerAddress from "../src/PeerAddress.ts"
import * as EndpointConfig from "../src/EndpointConfig.ts"
import { EndpointEchoError, EndpointVerificationError, Unreachable } from "../src/EndpointError.ts"
import { RpcTimedOut } from "../src/RpcError.ts"
import { StreamLost } from "../src/SendError.ts"
import { StreamClosed } from "../src/StreamError.ts"
import type { ControlMessage, WireMessage } from "../src/WireMessage.ts"
import { address } from "./support/values.ts"
import { logged } from "./support/logs.ts"

const contact = address("192.0.2.9:9")
const seen = address("198.51.100.1:1001")

const own = TestIdentity.make("own").peerId
const other = TestIdentity.make("other").peerId

const listed = (peer: PeerAddress.Input) => Result.getOrThrow(PeerAddress.fromInput(peer))

/** A node at 10.0.0.1:1 whose contact sees it at `seen` and can reach it; it writes down what it was asked. */
const nodeWith = (
  options: {
    readonly config?: EndpointConfig.Input
    readonly mapped?: NetAddress.InetAddress
    readonly known?: NetAddress.InetAddress
    readonly answer?: (question: ControlMessage) => WireMessage
    readonly unreached?: boolean
    readonly localAddress?: string
    /** Who wins the race; `contact` otherwise. */
    readonly winner?: (contacts: ReadonlyArray<PeerAddress.PeerAddress>) => PeerAddress.PeerAddress
    /** The contacts that are the node itself. */
    readonly self?: ReadonlyArray<NetAddress.InetAddress>
    readonly interfaces?: ReadonlyArray<string>
  } = {}
) =>
  Effect.gen(function* () {
    const config = yield* EndpointConfig.decode(options.config ?? {})
    const asked: Array<ControlMessage> = []
    const reached: Array<ReadonlyArray<string>> = []
    const answer = (question: ControlMessage): WireMessage =>
      question._tag === "EndpointEchoReq"
        ? { _tag: "EndpointEchoResp", address: seen }
        : { _tag: "EndpointVerificationResp", reachable: true }
    const node: Bootstrap.Node = {
      peerId: own,
      config,
      localAddress: address(options.localAddress ?? "10.0.0.1:1"),
      localAddresses: [address(options.localAddress ?? "10.0.0.1:1"), ...(options.interfaces ?? []).map(address)],
      mapped: Option.fromUndefinedOr(options.mapped),
      known: Option.fromUndefinedOr(options.known),
      reachAny: (contacts) =>
        Effect.sync(() => {
          reached.push(contacts.map(String))
          if (options.unreached === true) return Option.none()
          const winner = options.winner?.(contacts) ?? listed(contact)
          const isSelf = options.self?.some((each) => String(each) === String(winner)) ?? false
          return Option.some({
            listed: winner,
            peerId: isSelf ? own : other,
            remoteAddress: address(String(winner)),
            ask: (question: ControlMessage) =>
              Effect.sync(() => {
                asked.push(question)
                return (options.answer ?? answer)(question)
              })
          })
        })
    }
    return { node, asked, reached }
  })

const run = Effect.fnUntraced(function* (node: Bootstrap.Node, contacts: ReadonlyArray<PeerAddress.Input>) {
  return yield* (yield* Bootstrap.make).run(node, contacts.map(listed))
})

describe("the public address", () => {
  it.effect("is the local one without contacts, and no contact is asked", () =>
    Effect.gen(function* () {
      const { asked, node, reached } = yield* nodeWith()
      const outcome = yield* run(node, [])
      assert.strictEqual(String(outcome.publicAddress), "10.0.0.1:1")
      assert.isTrue(Option.isNone(outcome.contact))
      assert.deepStrictEqual([asked.length, reached.length], [0, 0])
    })
  )

  it.effect("is the mapped or configured one without contacts, too", () =>
    Effect.gen(function* () {
      const { node } = yield* nodeWith({ mapped, config: { externalPort: 7 } })
      assert.strictEqual(String((yield* run(node, [])).publicAddress), "203.0.113.1:7")
    })
  )

  const ip = "203.0.113.7"
  const port = 7
  const mapped = address("203.0.113.1:2002")
  const known = address("198.51.100.3:3003")
  type Sources = {
    readonly ip?: true
    readonly port?: true
    readonly mapped?: true
    readonly seen?: true
    readonly known?: true
  }
  /** From top to bottom: configured, mapped, seen by a contact, known from before, local. */
  const table: ReadonlyArray<readonly [has: Sources, expected: string, name?: string]> = [
    [{}, "10.0.0.1:1"],
    [{ known: true }, "198.51.100.3:3003"],
    [{ seen: true }, "198.51.100.1:1001"],
    [{ seen: true, known: true }, "198.51.100.1:1001"],
    [{ mapped: true }, "203.0.113.1:2002"],
    [{ mapped: true, known: true }, "203.0.113.1:2002"],
    [{ mapped: true, seen: true }, "203.0.113.1:2002"],
    [{ ip: true }, "203.0.113.7:1"],
    [{ ip: true, known: true }, "203.0.113.7:3003"],
    [{ ip: true, seen: true }, "203.0.113.7:1001", "has the configured IP and the port that the contact sees"],
    [{ ip: true, mapped: true }, "203.0.113.7:2002"],
    [{ ip: true, mapped: true, seen: true }, "203.0.113.7:2002"],
    [{ port: true }, "10.0.0.1:7"],
    [{ port: true, known: true }, "198.51.100.3:7"],
    [{ port: true, seen: true }, "198.51.100.1:7"],
    [{ port: true, mapped: true }, "203.0.113.1:7"],
    [{ port: true, mapped: true, seen: true }, "203.0.113.1:7"],
    [{ ip: true, port: true }, "203.0.113.7:7"],
    [
      { ip: true, port: true, mapped: true, seen: true, known: true },
      "203.0.113.7:7",
      "is the configured one before all"
    ]
  ]
  for (const [has, expected, name = `is ${expected} of ${Object.keys(has).join(", ") || "nothing else"}`] of table) {
    it.effect(`${name}, and is what gets verified`, () =>
      Effect.gen(function* () {
        const { asked, node, reached } = yield* nodeWith({
          config: { externalIp: has.ip && ip, externalPort: has.port && port },
          ...(has.mapped && { mapped }),
          ...(has.known && { known }),
          unreached: has.seen !== true
        })
        const contacts = [address("192.0.2.8:8"), contact]
        const { lines, outcome } = yield* logged(run(node, contacts))
        assert.strictEqual(String(outcome.publicAddress), expected)
        assert.deepStrictEqual(
          Option.map(outcome.contact, String),
          has.seen ? Option.some(String(contact)) : Option.none()
        )
        assert.deepStrictEqual(reached, [contacts.map(String)])
        assert.deepStrictEqual(
          asked.map((question) => ("address" in question ? `${question._tag} ${question.address}` : question._tag)),
          has.seen ? ["EndpointEchoReq", `EndpointVerificationReq ${expected}`] : []
        )
        // What the contact sees is worth a line when it is not what is taken.
        const overruled = `Info: contact ${contact} sees this endpoint at ${seen}; its public address is taken to be ${expected}`
        const unreached = `Warn: no contact could be reached 192.0.2.8:8,${contact}`
        assert.deepStrictEqual(lines, !has.seen ? [unreached] : expected === String(seen) ? [] : [overruled])
      })
    )
  }

  it.effect("of an IPv4 address in IPv6 form is that IPv4 address, from every source", () =>
    Effect.gen(function* () {
      const { asked, node } = yield* nodeWith({
        answer: (question) =>
          question._tag === "EndpointEchoReq"
            ? { _tag: "EndpointEchoResp", address: address("[::ffff:198.51.100.1]:1001") }
            : { _tag: "EndpointVerificationResp", reachable: true }
      })
      const { lines, outcome } = yield* logged(run(node, [contact]))
      assert.strictEqual(String(outcome.publicAddress), "198.51.100.1:1001")
      assert.strictEqual("address" in asked[1]! ? String(asked[1].address) : "", "198.51.100.1:1001")
      assert.deepStrictEqual(lines, [])
      const configured = yield* nodeWith({ config: { externalIp: "::ffff:203.0.113.7" }, unreached: true })
      assert.strictEqual(String((yield* run(configured.node, [contact])).publicAddress), "203.0.113.7:1")
    })
  )
})

describe("the endpoint's own address among the contacts", () => {
  const mapped = address("203.0.113.1:2002")
  const known = address("198.51.100.3:3003")

  it.effect("is not dialled: neither the local nor the mapped one, nor the public one of before", () =>
    Effect.gen(function* () {
      const { node, reached } = yield* nodeWith({ mapped, known })
      const outcome = yield* run(node, [node.localAddress, mapped, contact, known])
      assert.deepStrictEqual(reached, [[String(contact)]])
      assert.deepStrictEqual(Option.map(outcome.contact, String), Option.some(String(contact)))
    })
  )

  it.effect("alone is as good as no contact, and no reason for a warning", () =>
    Effect.gen(function* () {
      const { asked, node, reached } = yield* nodeWith()
      const { lines, outcome } = yield* logged(run(node, [node.localAddress]))
      assert.isTrue(Option.isNone(outcome.contact))
      assert.deepStrictEqual([asked.length, reached.length, lines.length], [0, 0, 0])
    })
  )

  it.effect("is not dialled at any of its interfaces either", () =>
    Effect.gen(function* () {
      const { node, reached } = yield* nodeWith({ interfaces: ["10.0.0.3:1", "127.0.0.1:1"] })
      yield* run(node, [address("127.0.0.1:1"), contact, address("10.0.0.3:1")])
      assert.deepStrictEqual(reached, [[String(contact)]])
    })
  )

  it.effect("is not dialled by its id at any address, and another peer's is, though at an address of its own", () =>
    Effect.gen(function* () {
      const { node, reached } = yield* nodeWith()
      yield* run(node, [own, `${own}@${contact}`, `${other}@${node.localAddress}`])
      assert.deepStrictEqual(reached, [[`${other}@${node.localAddress}`]])
    })
  )

  it.effect(
    "is recognised by its key when it answers at an address that it does not know, and the other contacts are asked",
    () =>
      Effect.gen(function* () {
        // Bound to every address, it does not know which ones are its own.
        const { asked, node, reached } = yield* nodeWith({
          localAddress: "0.0.0.0:1001",
          winner: (contacts) => contacts[0]!,
          self: [seen]
        })
        const outcome = yield* run(node, [seen, contact, seen])
        assert.deepStrictEqual(reached, [[String(seen), String(contact), String(seen)], [String(contact)]])
        assert.deepStrictEqual(
          asked.map(({ _tag }) => _tag),
          ["EndpointEchoReq", "EndpointVerificationReq"]
        )
        assert.deepStrictEqual(Option.map(outcome.contact, String), Option.some(String(contact)))
        const alone = yield* run(node, [seen])
        assert.isTrue(Option.isNone(alone.contact))
        assert.strictEqual(String(alone.publicAddress), "0.0.0.0:1001")
      })
  )
})

describe("every error of bootstrapping", () => {
  it("is in the union", () => {
    const error = new RpcTimedOut({ peer: contact })
    for (const each of [
      new EndpointEchoError({ peer: contact, reason: error }),
      new EndpointVerificationError({ peer: contact, reason: error }),
      new Unreachable({ publicAddress: seen })
    ]) {
      assert.isTrue(Schema.is(Bootstrap.BootstrapError)(each))
    }
    assert.isFalse(Schema.is(Bootstrap.BootstrapError)(error))
  })
})

describe("a start fails", () => {
  const fails = (answer: (question: ControlMessage) => WireMessage) =>
    Effect.gen(function* () {
      const { node } = yield* nodeWith({ answer })
      return yield* Effect.flip(run(node, [contact]))
    })
  const echo: WireMessage = { _tag: "EndpointEchoResp", address: seen }

  it.effect("with Unreachable and the address when the contact cannot reach it", () =>
    Effect.gen(function* () {
      const error = yield* fails((question) =>
        question._tag === "EndpointEchoReq" ? echo : { _tag: "EndpointVerificationResp", reachable: false }
      )
      assert.strictEqual(error._tag === "Unreachable" ? String(error.publicAddress) : error._tag, String(seen))
    })
  )

  it.effect("with EndpointEchoError when the contact answers another question", () =>
    Effect.gen(function* () {
      for (const answer of [
        { _tag: "EndpointVerificationResp", reachable: true },
        { _tag: "UserMessage", payload: new Uint8Array(1) },
        { _tag: "EndpointEchoReq" }
      ] satisfies ReadonlyArray<WireMessage>) {
        const error = yield* fails(() => answer)
        assert.deepInclude(error, { _tag: "EndpointEchoError", peer: contact })
        if (error._tag === "EndpointEchoError") assert.strictEqual(error.reason._tag, "SerializationError")
      }
    })
  )

  for (const nobodys of ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "192.0.2.1:0", "[::ffff:224.0.0.1]:1"]) {
    it.effect(
      `with EndpointEchoError when the contact says that it sees ${nobodys}, which is no address of a host`,
      () =>
        Effect.gen(function* () {
          const error = yield* fails(() => ({ _tag: "EndpointEchoResp", address: address(nobodys) }))
          assert.deepInclude(error, { _tag: "EndpointEchoError", peer: contact })
          if (error._tag === "EndpointEchoError") assert.strictEqual(error.reason._tag, "SerializationError")
        })
    )
  }

  it.effect("with EndpointVerificationError when the contact answers another question", () =>
    Effect.gen(function* () {
      const error = yield* fails(() => echo)
      assert.deepInclude(error, { _tag: "EndpointVerificationError", peer: contact })
      if (error._tag === "EndpointVerificationError") assert.strictEqual(error.reason._tag, "SerializationError")
    })
  )

  for (const busy of [4, 5]) {
    it.effect(
      `${busy === 5 ? "with EndpointVerificationError" : "not"} when a contact gives no answer ${busy} times, at growing intervals`,
      () =>
        Effect.gen(function* () {
          const { node } = yield* nodeWith()
          const lost = new StreamLost({ reason: new StreamClosed() })
          let asked = 0
          const ask = (question: ControlMessage): Effect.Effect<WireMessage, StreamLost> => {
            if (question._tag === "EndpointEchoReq") return Effect.succeed(echo)
            return Effect.suspend(() => {
              asked += 1
              const answer: WireMessage = { _tag: "EndpointVerificationResp", reachable: true }
              return asked <= busy ? Effect.fail(lost) : Effect.succeed(answer)
            })
          }
          const busyContact: Bootstrap.Node = {
            ...node,
            reachAny: () => Effect.succeedSome({ listed: listed(contact), peerId: other, remoteAddress: contact, ask })
          }
          const running = yield* Effect.forkChild(Effect.exit(run(busyContact, [contact])))
          for (const [i, pause] of [0, 500, 1_000, 2_000, 4_000].entries()) {
            if (pause > 0) {
              yield* TestClock.adjust(pause - 1)
              assert.strictEqual(asked, i)
            }
            yield* TestClock.adjust(pause > 0 ? 1 : 0)
            assert.strictEqual(asked, i + 1)
          }
          const outcome = yield* Fiber.join(running)
          if (busy === 4) return assert.isTrue(Exit.isSuccess(outcome))
          const error = new EndpointVerificationError({ peer: contact, reason: lost })
          assert.deepStrictEqual(outcome, Exit.fail(error))
        })
    )
  }

  it.effect("with what became of the question", () =>
    Effect.gen(function* () {
      const { node } = yield* nodeWith()
      const timedOut = new RpcTimedOut({ peer: contact })
      const mute: Bootstrap.Node = {
        ...node,
        reachAny: () =>
          Effect.succeedSome({
            listed: listed(contact),
            peerId: other,
            remoteAddress: contact,
            ask: () => Effect.fail(timedOut)
          })
      }
      const error = yield* Effect.flip(run(mute, [contact]))
      assert.deepInclude(error, { _tag: "EndpointEchoError", reason: timedOut })
    })
  )
})

describe("a peer's questions", () => {
  const asker = (remote: string, reachable = true) => {
    const dialled: Array<string> = []
    const isReachable = (claimed: NetAddress.InetAddress) =>
      Effect.sync(() => {
        dialled.push(String(claimed))
        return reachable
      })
    return { dialled, remoteAddress: address(remote), isReachable }
  }
  const verification = (claimed: string): ControlMessage => ({
    _tag: "EndpointVerificationReq",
    address: address(claimed)
  })
  const respond = Effect.fnUntraced(function* (who: Bootstrap.Asker, question: ControlMessage) {
    return yield* (yield* Bootstrap.make).respond(who, question)
  })

  it.effect("an echo is answered with the address that it is seen at", () =>
    Effect.gen(function* () {
      const answer = yield* respond(asker("192.0.2.1:1"), { _tag: "EndpointEchoReq" })
      assert.deepStrictEqual(answer, Option.some({ _tag: "EndpointEchoResp", address: address("192.0.2.1:1") }))
    })
  )

  it.effect("a verification is answered with whether the peer's own IP could be dialled, at any port", () =>
    Effect.gen(function* () {
      for (const reachable of [true, false]) {
        const peer = asker("192.0.2.1:1", reachable)
        const answer = yield* respond(peer, verification("192.0.2.1:5000"))
        assert.deepStrictEqual(answer, Option.some({ _tag: "EndpointVerificationResp", reachable }))
        assert.deepStrictEqual(peer.dialled, ["192.0.2.1:5000"])
      }
    })
  )

  it.effect("an IPv4 address in IPv6 form is the same IP", () =>
    Effect.gen(function* () {
      const peer = asker("192.0.2.1:1")
      yield* respond(peer, verification("[::ffff:192.0.2.1]:5000"))
      assert.deepStrictEqual(peer.dialled, ["192.0.2.1:5000"])
      const v6 = asker("[2001:db8::1]:1")
      yield* respond(v6, verification("[2001:db8::1]:5000"))
      assert.deepStrictEqual(v6.dialled, ["[2001:db8::1]:5000"])
      const mapped = asker("[::ffff:192.0.2.1]:1")
      yield* respond(mapped, verification("192.0.2.1:5000"))
      assert.deepStrictEqual(mapped.dialled, ["192.0.2.1:5000"])
    })
  )

  it.effect("a link-local address is in the zone that the peer is seen in, since the wire knows none", () =>
    Effect.gen(function* () {
      const peer = asker("[fe80::1%2]:1")
      yield* respond(peer, verification("[fe80::1]:5000"))
      assert.deepStrictEqual(peer.dialled, ["[fe80::1%2]:5000"])
    })
  )

  for (const claimed of [
    "192.0.2.2:1",
    "224.0.0.1:1",
    "127.0.0.1:1",
    "0.0.0.0:1",
    "255.255.255.255:1",
    "[::1]:1",
    "[::ffff:192.0.2.2]:1",
    "[::192.0.2.1]:1",
    "192.0.2.1:0"
  ]) {
    it.effect(`a verification of ${claimed} dials no peer, and the response is no`, () =>
      Effect.gen(function* () {
        const peer = asker("192.0.2.1:1")
        const answer = yield* respond(peer, verification(claimed))
        assert.deepStrictEqual(answer, Option.some({ _tag: "EndpointVerificationResp", reachable: false }))
        assert.deepStrictEqual(peer.dialled, [])
      })
    )
  }

  it.effect("responses that were not asked for get no response", () =>
    Effect.gen(function* () {
      for (const message of [
        { _tag: "EndpointEchoResp", address: seen },
        { _tag: "EndpointVerificationResp", reachable: true }
      ] satisfies ReadonlyArray<ControlMessage>) {
        assert.isTrue(Option.isNone(yield* respond(asker("192.0.2.1:1"), message)))
      }
    })
  )

  /** A peer at `from` whose verifications run until `done`. */
  const slowAsker = (from: string, done: Deferred.Deferred<void>, dialled: Array<string>): Bootstrap.Asker => ({
    remoteAddress: address(from),
    isReachable: (claimed) =>
      Effect.suspend(() => {
        dialled.push(String(claimed))
        return Effect.as(Deferred.await(done), true)
      })
  })

  const yes = Option.some<ControlMessage>({ _tag: "EndpointVerificationResp", reachable: true })

  it.effect("no more than 32 verifications run at once; further ones get no answer, and later ones run again", () =>
    Effect.gen(function* () {
      const { respond } = yield* Bootstrap.make
      const done = yield* Deferred.make<void>()
      const dialled: Array<string> = []
      const verify = (i: number) => respond(slowAsker(`192.0.2.${i}:1`, done, dialled), verification(`192.0.2.${i}:1`))
      const first = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 32 }, (_, i) => verify(i)),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.yieldNow
      for (let i = 100; i < 105; i++) assert.deepStrictEqual(yield* verify(i), Option.none())
      assert.lengthOf(dialled, 32)
      yield* Deferred.succeed(done, undefined)
      for (const answer of yield* Fiber.join(first)) assert.deepStrictEqual(answer, yes)
      assert.deepStrictEqual(yield* verify(100), yes)
    })
  )

  it.effect("one IP address, or one /64 of IPv6, runs no more than 4 of them, and others run beside it", () =>
    Effect.gen(function* () {
      const hosts = [
        (i: number) => `192.0.2.1:${i + 1}`,
        (i: number) => `[2001:db8::${i + 1}]:1`,
        (i: number) => `[::ffff:192.0.2.3]:${i + 1}`
      ]
      const others = ["192.0.2.2:1", "[2001:db8:0:1::1]:1", "192.0.2.4:1"]
      for (const [n, host] of hosts.entries()) {
        const { respond } = yield* Bootstrap.make
        const done = yield* Deferred.make<void>()
        const dialled: Array<string> = []
        const verify = (from: string) => respond(slowAsker(from, done, dialled), verification(from))
        const running = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 6 }, (_, i) => verify(host(i))),
            { concurrency: "unbounded" }
          )
        )
        yield* Effect.yieldNow
        assert.lengthOf(dialled, 4)
        const other = yield* Effect.forkChild(verify(others[n]!), { startImmediately: true })
        assert.lengthOf(dialled, 5)
        yield* Deferred.succeed(done, undefined)
        const answers = yield* Fiber.join(running)
        assert.strictEqual(answers.filter(Option.isSome).length, 4)
        assert.deepStrictEqual(yield* Fiber.join(other), yes)
      }
    })
  )

  it.effect("one IP address begins 8 of them at once, and then one in a second", () =>
    Effect.gen(function* () {
      const { respond } = yield* Bootstrap.make
      const peer = asker("192.0.2.1:1")
      const verify = respond(peer, verification("192.0.2.1:1"))
      for (let i = 0; i < 8; i++) assert.deepStrictEqual(yield* verify, yes)
      assert.deepStrictEqual(yield* verify, Option.none())
      assert.deepStrictEqual(yield* respond(asker("192.0.2.2:1"), verification("192.0.2.2:1")), yes)
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* verify, Option.none())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* verify, yes)
      assert.deepStrictEqual(yield* verify, Option.none())
      yield* TestClock.adjust("1 hour")
      for (let i = 0; i < 8; i++) assert.deepStrictEqual(yield* verify, yes)
      assert.deepStrictEqual(yield* verify, Option.none())
    })
  )

  it.effect("a verification that is interrupted gives its place back", () =>
    Effect.gen(function* () {
      const { respond } = yield* Bootstrap.make
      const done = yield* Deferred.make<void>()
      const dialled: Array<string> = []
      const verify = respond(slowAsker("192.0.2.1:1", done, dialled), verification("192.0.2.1:1"))
      for (let i = 0; i < 6; i++) {
        yield* Fiber.interrupt(yield* Effect.forkChild(verify, { startImmediately: true }))
      }
      assert.lengthOf(dialled, 6)
    })
  )
})
