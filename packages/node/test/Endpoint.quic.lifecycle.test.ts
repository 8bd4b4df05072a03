import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed } from "@qp2p/core/Close"
import type * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import { granted, PortMapper } from "@qp2p/core/PortMapper"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { countingDials } from "../../core/test/support/memoryEndpoints.ts"
import { gate } from "./support/replyGate.ts"
import { endpoint, endpointBehind, joined, nothing, onLoopback, type Service } from "./support/quicEndpoints.ts"
import { blocked, Network } from "./support/impairedNetwork.ts"
import { address, at, until } from "./support/quicSockets.ts"
import { freePort, relay, udp } from "./support/udpPeers.ts"

/** The one disconnection that `self` has to report is that of `peer`, and of this kind. */
const reports = Effect.fnUntraced(function* (self: Service, peer: NetAddress.InetAddress, reason: Close) {
  const disconnection = yield* self.nextDisconnection
  assert.deepStrictEqual(disconnection.reason, reason)
  assert.strictEqual(String(disconnection.peer), String(peer))
  assert.isTrue(Option.isNone(yield* self.connectionId(peer)))
  assert.isTrue(Option.isNone(yield* self.addressOf(disconnection.connectionId)))
  assert.isTrue(yield* nothing(self.nextDisconnection))
})

describe("an idle connection", () => {
  const idle: EndpointConfig.Input = { idleTimeout: "1 second", keepAliveInterval: "Infinity" }

  for (const side of ["dialled", "was dialled"] as const) {
    it.live(`lives on when the side that ${side} keeps it alive`, () =>
      Effect.gen(function* () {
        const alive = { ...idle, keepAliveInterval: "150 millis" }
        const { far, near, one, two } = yield* side === "dialled" ? joined(alive, idle) : joined(idle, alive)
        // Three idle timeouts.
        yield* Effect.sleep("3 seconds")
        assert.isTrue((yield* one.connectTo(two.localAddress)) === near)
        assert.isTrue((yield* two.connectTo(one.localAddress)) === far)
        yield* one.trySendMessage(bytes("alive"), two.localAddress)
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "alive")
        assert.isTrue(yield* nothing(one.nextDisconnection))
        assert.isTrue(yield* nothing(two.nextDisconnection))
      }).pipe(onLoopback)
    )
  }

  it.live("without keep-alive ends with IdleTimedOut at both", () =>
    Effect.gen(function* () {
      const { far, near, one, two } = yield* joined(idle, { ...idle, idleTimeout: "1 minute" })
      yield* reports(one, two.localAddress, new IdleTimedOut())
      yield* reports(two, one.localAddress, new IdleTimedOut())
      assert.deepStrictEqual([yield* near.closed, yield* far.closed], [new IdleTimedOut(), new IdleTimedOut()])
    }).pipe(onLoopback)
  )

  it.live("ends with IdleTimedOut when the peer is gone without a word, keep-alive or not", () =>
    Effect.gen(function* () {
      const network = new Network()
      const one = yield* endpoint({ idleTimeout: "1 second", keepAliveInterval: "150 millis" })
      const two = yield* endpointBehind(network)
      const { receive, send } = yield* one.openBidirectionalStream(two.localAddress)
      yield* send.sendMessage(bytes("are you there?"))
      yield* two.nextMessage
      network.outgoing = blocked
      network.incoming = blocked
      const error = yield* Effect.flip(receive.next)
      assert.strictEqual(error._tag === "ConnectionLost" ? error.reason._tag : error._tag, "ConnectionTimedOut")
      yield* reports(one, two.localAddress, new IdleTimedOut())
      yield* reports(two, one.localAddress, new IdleTimedOut())
    }).pipe(onLoopback)
  )
})

describe("a connection that is closed", () => {
  it.live("with a code and a detail tells them to the peer, cut to what QUIC carries", () =>
    Effect.gen(function* () {
      for (const [options, close] of [
        [{ code: 20, detail: "bye – für immer" }, new ApplicationClosed({ code: 20, detail: "bye – für immer" })],
        [{ code: 2 ** 53 - 1 }, new ApplicationClosed({ code: 2 ** 53 - 1, detail: "" })],
        [{ code: -1, detail: "x".repeat(5_000) }, new ApplicationClosed({ code: 0, detail: "x".repeat(1_000) })]
      ] as const) {
        const { far, near, one, two } = yield* joined()
        yield* near.close(options)
        assert.deepStrictEqual([yield* near.closed, yield* far.closed], [new LocallyClosed(), close])
        yield* reports(two, one.localAddress, close)
      }
    }).pipe(onLoopback)
  )

  for (const side of ["dialled", "was dialled"] as const) {
    it.live(`by the side that ${side} is LocallyClosed there and ApplicationClosed at the other`, () =>
      Effect.gen(function* () {
        const { far, near, one, two } = yield* joined()
        yield* side === "dialled" ? near.close() : far.close()
        const [here, there] = side === "dialled" ? [one, two] : [two, one]
        yield* reports(here, there.localAddress, new LocallyClosed())
        yield* reports(there, here.localAddress, new ApplicationClosed({ code: 0, detail: "" }))
      }).pipe(onLoopback)
    )
  }
})

const idleSoon: EndpointConfig.Input = { idleTimeout: "1 second" }

describe("a connection that ends while a reply on it is being finished", () => {
  /** Long enough for thousands of turns, and for the peer's draining to end. */
  const aWhile = Effect.sleep("400 millis")

  for (const how of ["a reply that was finished", "a reply with an answer that was finished", "no reply"] as const) {
    it.live(`leaves the node idle: the peer closed it at once, and the node sent ${how}`, () =>
      Effect.gen(function* () {
        const { near, one, two } = yield* joined()
        const { send } = yield* near.openBi()
        yield* send.sendMessage(bytes("a question"))
        const reply = Option.getOrThrow((yield* two.nextMessage).reply)
        if (how === "a reply with an answer that was finished") yield* Effect.forkChild(reply.sendMessage(bytes("aye")))
        const finishing = how === "no reply" ? undefined : yield* Effect.forkChild(reply.finish)
        // In the very turn in which the reply leaves, before anything of it is acknowledged.
        yield* one.disconnectFrom(two.localAddress)
        assert.strictEqual((yield* two.nextDisconnection).reason._tag, "ApplicationClosed")
        if (finishing !== undefined) yield* Fiber.await(finishing)
        // Turns without work fail the run: see scripts/fail-on-idle-turns.mjs.
        yield* aWhile
      }).pipe(onLoopback)
    )
  }

  it.live("leaves the node idle: the peer died, and the node abandoned the reply or finished it", () =>
    Effect.gen(function* () {
      const network = new Network()
      const one = yield* endpointBehind(network, { ...idleSoon, keepAliveInterval: "Infinity" })
      const two = yield* endpoint(idleSoon)
      const { send } = yield* one.openBidirectionalStream(two.localAddress)
      yield* send.sendMessage(bytes("a question"))
      const reply = Option.getOrThrow((yield* two.nextMessage).reply)
      network.outgoing = blocked
      network.incoming = blocked
      yield* Effect.forkChild(reply.finish)
      assert.strictEqual((yield* two.nextDisconnection).reason._tag, "IdleTimedOut")
      yield* aWhile
    }).pipe(onLoopback)
  )
})

describe("a peer behind a NAT", () => {
  /** Messages go both ways while the peer is at one host after the other, each time at another port. */
  const roaming = (hosts: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([endpoint(), endpoint()])
      const path = yield* relay(() => two.localAddress.port)
      const near = yield* one.connectTo(at(path.port))
      const far = yield* two.nextConnection
      let sending = true
      /** Numbered messages, one after the other, until the NAT has changed for the last time. */
      const numbered = (send: (payload: Uint8Array) => Effect.Effect<void, unknown>) =>
        Effect.gen(function* () {
          let sent = 0
          for (; sending; sent++) yield* send(bytes(`${sent} ${"x".repeat(20_000)}`))
          return sent
        })
      const there = yield* Effect.forkChild(numbered((payload) => one.sendMessage(payload, at(path.port))))
      const back = yield* Effect.forkChild(numbered((payload) => far.send(payload)))
      const received: Record<"one" | "two", Array<number>> = { one: [], two: [] }
      const take = (name: "one" | "two", self: Service) =>
        Stream.runForEach(self.incomingMessages, ({ connectionId, payload }) =>
          Effect.sync(() => {
            assert.strictEqual(connectionId, name === "one" ? near.id : far.id)
            assert.isAbove(payload.length, 20_000)
            received[name].push(Number.parseInt(textOf(payload.subarray(0, 10)), 10))
          })
        )
      const taking = [yield* Effect.forkChild(take("one", one)), yield* Effect.forkChild(take("two", two))]
      const seenAt = (i: number) => address(`${hosts[i]}:${path.ports[i]}`)
      for (const [i, host] of hosts.entries()) {
        if (i > 0) yield* path.rebindTo(host)
        const now = seenAt(i)
        yield* until("the new address", () => String(far.remoteAddress) === String(now))
        assert.deepStrictEqual(yield* two.connectionId(now), Option.some(far.id))
        assert.deepStrictEqual(Option.map(yield* two.addressOf(far.id), String), Option.some(String(now)))
        assert.isTrue((yield* two.connectTo(now)) === far)
        if (i > 0) assert.isTrue(Option.isNone(yield* two.connectionId(seenAt(i - 1))))
        const seen = [received.one.length + 5, received.two.length + 5]
        yield* until("messages both ways", () => received.one.length > seen[0]! && received.two.length > seen[1]!)
      }
      sending = false
      const count = { two: yield* Fiber.join(there), one: yield* Fiber.join(back) }
      yield* until("the last ones", () => received.one.length >= count.one && received.two.length >= count.two)
      for (const name of ["one", "two"] as const) {
        assert.deepStrictEqual(
          received[name],
          Array.from({ length: count[name] }, (_, i) => i)
        )
      }
      assert.isTrue((yield* one.connectTo(at(path.port))) === near)
      assert.isTrue(yield* nothing(two.nextConnection))
      for (const self of [one, two]) assert.isTrue(yield* nothing(self.nextDisconnection))
      yield* Effect.forEach(taking, Fiber.interrupt)
    }).pipe(onLoopback)

  it.live("is followed from port to port, while messages go both ways and none is lost", () =>
    roaming(Array.from({ length: 8 }, () => "127.0.0.1"))
  )

  // Linux has all of 127.0.0.0/8 without being told; others have one address of it.
  it.live.runIf(process.platform === "linux")(
    "is followed from network to network, to other ports and back, while messages go both ways and none is lost",
    () => roaming(["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.3", "127.0.0.1", "127.0.0.4", "127.0.0.2"])
  )
})

describe("an endpoint that stops in the middle of everything", () => {
  const wayDown = {
    close: (self: Service) => self.close,
    "the end of its scope": (_: Service, scope: Scope.Closeable) => Scope.close(scope, Exit.void)
  }

  for (const [name, stop] of Object.entries(wayDown)) {
    it.live(`by ${name} fails what waits with EndpointStopped, ends its streams and tells its peer`, () =>
      Effect.gen(function* () {
        const nobody = yield* udp()
        const scope = yield* Scope.make()
        const one = yield* Scope.provide(endpoint({ messageBuffer: 1 }), scope)
        const two = yield* endpoint({ messageBuffer: 1 })
        const stream = yield* one.openBidirectionalStream(two.localAddress)
        yield* stream.send.sendMessage(bytes("hello"))
        const reply = Option.getOrThrow((yield* two.nextMessage).reply)
        const back = yield* two.nextConnection

        // More than the windows take while nobody reads.
        const bulk = <E>(send: (payload: Uint8Array) => Effect.Effect<void, E>) =>
          Effect.forEach(Array.from({ length: 40 }), () =>
            Effect.forkChild(Effect.result(send(new Uint8Array(2 ** 20))))
          )
        const ours = yield* bulk((payload) => one.sendMessage(payload, two.localAddress))
        // On this connection alone: `sendMessage` would look for the peer on another.
        const theirs = yield* bulk((payload) => back.send(payload))
        const dialling = yield* Effect.forkChild(Effect.flip(one.sendMessage(bytes("x"), at(nobody.port))))
        const reading = yield* Effect.forkChild(Effect.flip(stream.receive.next))
        const answering = yield* Effect.forkChild(
          Effect.flip(Effect.forever(reply.sendMessage(new Uint8Array(2 ** 20))))
        )
        const streams: ReadonlyArray<Fiber.Fiber<void>> = [
          yield* Effect.forkChild(Stream.runDrain(one.incomingConnections)),
          yield* Effect.forkChild(Stream.runDrain(one.disconnections))
        ]
        while ((yield* back.stats).bytesReceived < 2 ** 20) yield* Effect.sleep(1)
        while ((yield* back.stats).bytesSent < 2 ** 20) yield* Effect.sleep(1)
        yield* stop(one, scope)

        const outcomes = yield* Effect.forEach(ours, Fiber.join)
        const losses = outcomes.flatMap((result) => (result._tag === "Failure" ? [result.failure] : []))
        assert.isAbove(losses.length, 0)
        for (const loss of [...losses, yield* Fiber.join(dialling), yield* Fiber.join(reading)]) {
          assert.strictEqual(loss._tag === "ConnectionLost" ? loss.reason._tag : loss._tag, "EndpointStopped")
        }
        for (const ending of streams) yield* Fiber.join(ending)
        // What had arrived can be taken, and then there is an end.
        yield* Stream.runDrain(one.incomingMessages)
        assert.strictEqual((yield* Effect.flip(one.nextMessage))._tag, "EndpointStopped")

        const told = new ApplicationClosed({ code: 0, detail: "" })
        assert.deepStrictEqual((yield* two.nextDisconnection).reason, told)
        const left = (yield* Effect.forEach(theirs, Fiber.join)).flatMap((result) =>
          result._tag === "Failure" ? [result.failure] : []
        )
        assert.isAbove(left.length, 0)
        for (const loss of [...left, yield* Fiber.join(answering)]) {
          const error = loss._tag === "ConnectionLost" ? loss.reason : loss
          assert.deepStrictEqual(error._tag === "ConnectionClosed" ? error.close : error, told)
        }
      }).pipe(onLoopback)
    )
  }

  it.live("leaves its port free at once, twenty times in a row", () =>
    Effect.gen(function* () {
      const peer = yield* endpoint({ messageBuffer: 1 })
      let local: Endpoint.Address = at(yield* freePort)
      for (let i = 0; i < 20; i++) {
        const scope = yield* Scope.make()
        const self: Service = yield* Scope.provide(endpoint({}, [], local), scope)
        local = self.localAddress
        const connection = yield* self.connectTo(peer.localAddress)
        const sending = yield* Effect.forkChild(
          Effect.exit(self.sendMessage(new Uint8Array(50_000_000), peer.localAddress))
        )
        while ((yield* connection.stats).bytesSent < 200_000) yield* Effect.sleep(1)
        yield* i % 2 === 0 ? self.close : Scope.close(scope, Exit.void)
        yield* Fiber.join(sending)
      }
      const last = yield* endpoint({}, [], local)
      yield* last.sendMessage(bytes("still"), peer.localAddress)
      assert.strictEqual(textOf((yield* peer.nextMessage).payload), "still")
    }).pipe(onLoopback)
  )
})

describe("an endpoint that bootstraps", () => {
  const impatient: EndpointConfig.Input = { handshakeTimeout: "300 millis", rpcTimeout: "5 seconds" }

  /** A port where nobody is, and no socket either. */
  const closedPort = Effect.map(freePort, at)

  it.live("takes the one contact of three that lives, which dials it back", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const silent = yield* udp()
        const contact = yield* endpoint()
        const contacts = [at(silent.port), yield* closedPort, contact.localAddress]
        const one = yield* endpoint({}, contacts)
        assert.strictEqual(String(one.publicAddress), String(one.localAddress))
        assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(String(contact.localAddress)))
        assert.isTrue(Option.isSome(yield* one.connectionId(contact.localAddress)))
        assert.strictEqual(String((yield* contact.nextConnection).remoteAddress), String(one.localAddress))
        // The contact dialled back, over a connection of its own, of which neither side tells its application.
        assert.deepStrictEqual(dials.peers, [...contacts, one.localAddress].map(String))
        for (const self of [one, contact]) {
          assert.isTrue(yield* nothing(self.nextConnection))
          assert.isTrue(yield* nothing(self.nextDisconnection))
          assert.strictEqual((yield* self.connections).length, 1)
        }
      })
    ).pipe(onLoopback)
  )

  for (const [name, contacts] of [
    ["every contact is dead", Effect.all([Effect.map(udp(), ({ port }) => at(port)), closedPort, closedPort])],
    ["a silent port is the only contact", Effect.map(udp(), ({ port }) => [at(port)])]
  ] as const) {
    it.live(`works without when ${name}`, () =>
      Effect.gen(function* () {
        const one = yield* endpoint(impatient, yield* contacts)
        assert.isTrue(Option.isNone(one.bootstrapContact))
        assert.strictEqual(String(one.publicAddress), String(one.localAddress))
        const two = yield* endpoint({}, [one.localAddress])
        yield* one.sendMessage(bytes("x"), two.localAddress)
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "x")
      }).pipe(onLoopback)
    )
  }

  it.live("does not start where no peer can reach it, says so and leaves nothing behind", () =>
    Effect.gen(function* () {
      const contact = yield* endpoint({ rpcTimeout: "1 second" })
      const local = yield* closedPort
      const wrong = yield* closedPort
      const error = yield* Effect.flip(endpoint({ externalPort: wrong.port }, [contact.localAddress], local))
      assert.strictEqual(error._tag === "Unreachable" ? String(error.publicAddress) : error._tag, String(wrong))
      assert.deepStrictEqual((yield* contact.nextDisconnection).reason, new ApplicationClosed({ code: 0, detail: "" }))
      yield* endpoint({}, [contact.localAddress], local)
    }).pipe(onLoopback)
  )

  /** Starts an endpoint with a NAT between it and its contact, with or without a mapping, with or without a setting. */
  const places = Effect.fnUntraced(function* (knows: { readonly mapping?: true; readonly setting?: true }) {
    const contact = yield* endpoint()
    const nat = yield* relay(() => contact.localAddress.port)
    const local = yield* closedPort
    const configured = yield* gate(local)
    const mapped = yield* gate(local)
    configured.open()
    mapped.open()
    const one = yield* Effect.provideService(
      endpoint(
        {
          forwardPort: knows.mapping === true,
          ...(knows.setting === true ? { externalPort: configured.address.port } : {})
        },
        [at(nat.port)],
        local
      ),
      PortMapper,
      PortMapper.of({ map: ({ internal }) => granted(internal, mapped.address) })
    )
    const where = { seen: nat.ports[0], configured: configured.address.port, mapped: mapped.address.port, local }
    return { is: one.publicAddress.port, where }
  })

  for (const [name, knows] of [
    ["seen", {}],
    ["mapped", { mapping: true }],
    ["configured", { setting: true }],
    ["configured", { setting: true, mapping: true }]
  ] as const) {
    it.live(`takes as public what is ${name}, knowing ${["seen", ...Object.keys(knows)].join(" and ")}`, () =>
      Effect.gen(function* () {
        const { is, where } = yield* places(knows)
        assert.strictEqual(is, where[name])
      }).pipe(onLoopback)
    )
  }
})
