import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Bootstrap from "../src/Bootstrap.ts"
import * as EndpointConfig from "../src/EndpointConfig.ts"
import { RpcTimedOut } from "../src/RpcError.ts"
import type { ControlMessage, WireMessage } from "../src/WireMessage.ts"
import { address } from "./endpoint-support/common.ts"

const contact = address("192.0.2.9:9")
const seen = address("198.51.100.1:1001")

/** A node at 10.0.0.1:1 whose contact sees it at `seen` and can reach it; it writes down what it was asked. */
const nodeWith = (
  options: {
    readonly config?: EndpointConfig.Input
    readonly mapped?: NetAddress.InetAddress
    readonly answer?: (question: ControlMessage) => WireMessage
    readonly unreached?: boolean
  } = {}
) =>
  Effect.gen(function* () {
    const config = yield* EndpointConfig.decode(options.config ?? {})
    const asked: Array<ControlMessage> = []
    const reached: Array<ReadonlyArray<NetAddress.InetAddress>> = []
    const answer = (question: ControlMessage): WireMessage =>
      question._tag === "EndpointEchoReq"
        ? { _tag: "EndpointEchoResp", address: seen }
        : { _tag: "EndpointVerificationResp", reachable: true }
    const node: Bootstrap.Node = {
      config,
      localAddress: address("10.0.0.1:1"),
      mapped: Option.fromUndefinedOr(options.mapped),
      reachAny: (contacts) =>
        Effect.sync(() => {
          reached.push(contacts)
          if (options.unreached === true) return Option.none()
          return Option.some({
            address: contact,
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

const run = Effect.fnUntraced(function* (node: Bootstrap.Node, contacts: ReadonlyArray<NetAddress.InetAddress>) {
  return yield* (yield* Bootstrap.make).run(node, contacts)
})

describe("the public address", () => {
  const mapped = address("203.0.113.1:2002")
  const cases: ReadonlyArray<readonly [name: string, options: Parameters<typeof nodeWith>[0], expected: string]> = [
    ["is what the contact sees", {}, "198.51.100.1:1001"],
    ["is the mapped one before that", { mapped }, "203.0.113.1:2002"],
    ["has the configured IP before that", { mapped, config: { externalIp: "203.0.113.7" } }, "203.0.113.7:2002"],
    ["has the configured port before that", { mapped, config: { externalPort: 7 } }, "203.0.113.1:7"],
    [
      "has the configured IP and the port that the contact sees",
      { config: { externalIp: "203.0.113.7" } },
      "203.0.113.7:1001"
    ],
    [
      "is the configured one before all",
      { mapped, config: { externalIp: address("203.0.113.7:1").address, externalPort: 7 } },
      "203.0.113.7:7"
    ]
  ]
  for (const [name, options, expected] of cases) {
    it.effect(`${name}, and is what gets verified`, () =>
      Effect.gen(function* () {
        const { asked, node, reached } = yield* nodeWith(options)
        const contacts = [address("192.0.2.8:8"), contact]
        const outcome = yield* run(node, contacts)
        assert.strictEqual(String(outcome.publicAddress), expected)
        assert.deepStrictEqual(outcome.contact, Option.some(contact))
        assert.deepStrictEqual(reached, [contacts])
        assert.deepStrictEqual(
          asked.map((question) => ("address" in question ? `${question._tag} ${question.address}` : question._tag)),
          ["EndpointEchoReq", `EndpointVerificationReq ${expected}`]
        )
      })
    )
  }

  it.effect("is the local one without contacts, and nobody is asked", () =>
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

  it.effect("is the local one when no contact is reached", () =>
    Effect.gen(function* () {
      const { asked, node } = yield* nodeWith({ unreached: true })
      const outcome = yield* run(node, [contact])
      assert.strictEqual(String(outcome.publicAddress), "10.0.0.1:1")
      assert.isTrue(Option.isNone(outcome.contact))
      assert.strictEqual(asked.length, 0)
    })
  )
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
        if (error._tag === "EndpointEchoError") assert.strictEqual(error.error._tag, "SerializationError")
      }
    })
  )

  it.effect("with EndpointVerificationError when the contact answers another question", () =>
    Effect.gen(function* () {
      const error = yield* fails(() => echo)
      assert.deepInclude(error, { _tag: "EndpointVerificationError", peer: contact })
      if (error._tag === "EndpointVerificationError") assert.strictEqual(error.error._tag, "SerializationError")
    })
  )

  it.effect("with what became of the question", () =>
    Effect.gen(function* () {
      const { node } = yield* nodeWith()
      const timedOut = new RpcTimedOut({ peer: contact })
      const mute: Bootstrap.Node = {
        ...node,
        reachAny: () => Effect.succeedSome({ address: contact, ask: () => Effect.fail(timedOut) })
      }
      const error = yield* Effect.flip(run(mute, [contact]))
      assert.deepInclude(error, { _tag: "EndpointEchoError", error: timedOut })
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
      assert.strictEqual(peer.dialled.length, 1)
    })
  )

  for (const claimed of ["192.0.2.2:1", "127.0.0.1:1", "0.0.0.0:1", "255.255.255.255:1", "[::1]:1", "192.0.2.1:0"]) {
    it.effect(`nobody is dialled for a verification of ${claimed}, and the answer is no`, () =>
      Effect.gen(function* () {
        const peer = asker("192.0.2.1:1")
        const answer = yield* respond(peer, verification(claimed))
        assert.deepStrictEqual(answer, Option.some({ _tag: "EndpointVerificationResp", reachable: false }))
        assert.deepStrictEqual(peer.dialled, [])
      })
    )
  }

  it.effect("answers, of the kind that nobody asked for, are not answered", () =>
    Effect.gen(function* () {
      for (const message of [
        { _tag: "EndpointEchoResp", address: seen },
        { _tag: "EndpointVerificationResp", reachable: true }
      ] satisfies ReadonlyArray<ControlMessage>) {
        assert.isTrue(Option.isNone(yield* respond(asker("192.0.2.1:1"), message)))
      }
    })
  )

  it.effect(
    "no more than 32 verifications run at once; further ones are answered with no, and later ones run again",
    () =>
      Effect.gen(function* () {
        const { respond } = yield* Bootstrap.make
        const done = yield* Deferred.make<void>()
        let dialled = 0
        const peer: Bootstrap.Asker = {
          remoteAddress: address("192.0.2.1:1"),
          isReachable: () =>
            Effect.suspend(() => {
              dialled += 1
              return Effect.as(Deferred.await(done), true)
            })
        }
        const question = verification("192.0.2.1:1")
        const no = Option.some<ControlMessage>({ _tag: "EndpointVerificationResp", reachable: false })
        const yes = Option.some<ControlMessage>({ _tag: "EndpointVerificationResp", reachable: true })
        const first = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 32 }, () => respond(peer, question)),
            { concurrency: "unbounded" }
          )
        )
        yield* Effect.yieldNow
        for (let i = 0; i < 5; i++) assert.deepStrictEqual(yield* respond(peer, question), no)
        assert.strictEqual(dialled, 32)
        yield* Deferred.succeed(done, undefined)
        for (const answer of yield* Fiber.join(first)) assert.deepStrictEqual(answer, yes)
        assert.deepStrictEqual(yield* respond(peer, question), yes)
      })
  )
})
