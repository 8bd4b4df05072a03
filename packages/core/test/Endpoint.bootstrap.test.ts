import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type * as Endpoint from "../src/Endpoint.ts"
import type * as EndpointConfig from "../src/EndpointConfig.ts"
import { granted, type MapOptions, PortMapper } from "../src/PortMapper.ts"
import { MappingConflict } from "../src/PortMapperError.ts"
import type { WireMessage } from "../src/WireMessage.ts"
import { address, bytes } from "./support/values.ts"
import { logged } from "./support/logs.ts"
import {
  blackhole,
  countingDials,
  endpoint,
  onNetwork,
  pair,
  refuse,
  setLatency,
  settle
} from "./support/memoryEndpoints.ts"
import { answering, raw, silent } from "./support/bareSockets.ts"

const contact = "10.0.0.2:2"

/** Starts an endpoint at 10.0.0.1:1 and lets ten minutes pass. */
const start = (config: EndpointConfig.Input = {}, contacts: ReadonlyArray<Endpoint.Address> = [contact]) =>
  Effect.gen(function* () {
    const starting = yield* Effect.forkChild(endpoint("10.0.0.1:1", config, contacts))
    yield* settle
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(starting)
  })

const startFails = (config?: EndpointConfig.Input, contacts?: ReadonlyArray<Endpoint.Address>) =>
  Effect.flip(start(config, contacts))

describe("bootstrapping", () => {
  it.effect("names the contact, and the address that it sees and has verified", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const two = yield* endpoint(contact)
        const one = yield* endpoint("10.0.0.1:0", {}, [contact])
        assert.strictEqual(String(one.publicAddress), String(one.localAddress))
        assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(contact))
        assert.isTrue(Option.isSome(yield* one.connectionId(contact)))
        // The contact dialled back, over a connection of its own, of which neither side is told.
        assert.deepStrictEqual(dials.peers, [contact, String(one.localAddress)])
        yield* settle
        yield* two.nextConnection
        assert.isUndefined((yield* Effect.forkChild(two.nextDisconnection)).pollUnsafe())
        assert.isUndefined((yield* Effect.forkChild(one.nextConnection)).pollUnsafe())
        assert.isUndefined((yield* Effect.forkChild(one.nextDisconnection)).pollUnsafe())
      })
    ).pipe(onNetwork)
  )

  it.effect("takes the contact that lives, with a dead one before it", () =>
    Effect.gen(function* () {
      yield* endpoint(contact)
      yield* blackhole("10.0.0.8:8")
      yield* refuse("10.0.0.9:9")
      const one = yield* start({}, ["10.0.0.8:8", "10.0.0.9:9", contact])
      assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(contact))
    }).pipe(onNetwork)
  )

  it.effect("works without when every contact is dead", () =>
    Effect.gen(function* () {
      yield* blackhole("10.0.0.8:8")
      yield* refuse("10.0.0.9:9")
      const { lines, outcome: one } = yield* logged(start({}, ["10.0.0.8:8", "10.0.0.9:9"]))
      assert.deepStrictEqual(lines, ["Warn: no contact could be reached 10.0.0.8:8,10.0.0.9:9"])
      assert.isTrue(Option.isNone(one.bootstrapContact))
      assert.strictEqual(String(one.publicAddress), "10.0.0.1:1")
      const two = yield* endpoint(contact)
      yield* two.sendMessage(bytes("x"), "10.0.0.1:1")
      assert.strictEqual((yield* one.nextMessage).payload.length, 1)
    }).pipe(onNetwork)
  )

  it.effect("dials a contact that is listed twice once", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* endpoint(contact)
        const one = yield* endpoint("10.0.0.1:1", {}, [contact, address(contact), contact])
        assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(contact))
        assert.deepStrictEqual(dials.peers, [contact, "10.0.0.1:1"])
      })
    ).pipe(onNetwork)
  )

  it.effect("is no contact of its own, by any of its addresses", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1", {}, ["10.0.0.1:1"])
        assert.isTrue(Option.isNone(one.bootstrapContact))
        assert.deepStrictEqual(dials.peers, [])
        // Every address of the machine: which ones they are shows only when one of them is asked.
        const everywhere = yield* endpoint("0.0.0.0:3", {}, ["127.0.0.1:3"])
        assert.isTrue(Option.isNone(everywhere.bootstrapContact))
        yield* endpoint(contact)
        yield* everywhere.bootstrap(["127.0.0.1:3", contact])
        assert.deepStrictEqual(Option.map(everywhere.bootstrapContact, String), Option.some(contact))
      })
    ).pipe(onNetwork)
  )

  it.effect("waits for a contact that never answers once, for rpcTimeout", () =>
    Effect.gen(function* () {
      yield* silent(contact)
      const starting = yield* Effect.forkChild(
        Effect.flip(endpoint("10.0.0.1:1", { rpcTimeout: "2 seconds" }, [contact]))
      )
      yield* settle
      yield* TestClock.adjust(1_999)
      assert.isUndefined(starting.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(starting))._tag, "EndpointEchoError")
      // Nothing is left behind of the start that failed.
      yield* endpoint("10.0.0.1:1")
    }).pipe(onNetwork)
  )

  it.effect("fails with EndpointVerificationError of ConnectionLost when the contact dies after the echo", () =>
    Effect.gen(function* () {
      const dying = yield* answering(contact, (question): WireMessage | undefined => {
        if (question._tag === "EndpointEchoReq") return { _tag: "EndpointEchoResp", address: address("10.0.0.1:1") }
        dying.accepted[0]?.close(9, "gone")
        return undefined
      })
      const error = yield* startFails()
      if (error._tag !== "EndpointVerificationError") return assert.fail(error._tag)
      assert.strictEqual(String(error.peer), contact)
      assert.strictEqual(error.reason._tag === "ConnectionLost" ? error.reason.reason._tag : "", "ConnectionClosed")
    }).pipe(onNetwork)
  )

  it.effect("says so when the contact sees another address than the one that is taken", () =>
    Effect.gen(function* () {
      yield* answering(contact, (question): WireMessage | undefined =>
        question._tag === "EndpointEchoReq"
          ? { _tag: "EndpointEchoResp", address: address("198.51.100.1:1001") }
          : { _tag: "EndpointVerificationResp", reachable: true }
      )
      const { lines, outcome: one } = yield* logged(start({ externalIp: "203.0.113.7" }))
      assert.strictEqual(String(one.publicAddress), "203.0.113.7:1001")
      assert.deepStrictEqual(lines, [
        "Info: contact 10.0.0.2:2 sees this endpoint at 198.51.100.1:1001; its public address is taken to be 203.0.113.7:1001"
      ])
    }).pipe(onNetwork)
  )

  for (const latency of [0, 100]) {
    it.effect(`fails with Unreachable when nothing listens at the configured port (latency ${latency} ms)`, () =>
      Effect.gen(function* () {
        yield* setLatency(latency)
        yield* endpoint(contact)
        const error = yield* startFails({ externalPort: 9 })
        assert.strictEqual(error._tag === "Unreachable" ? String(error.publicAddress) : error._tag, "10.0.0.1:9")
      }).pipe(onNetwork)
    )
  }

  it.effect("fails with Unreachable when the configured port refuses, or another IP is claimed", () =>
    Effect.gen(function* () {
      yield* endpoint(contact)
      yield* refuse("10.0.0.1:9")
      const refused = yield* startFails({ externalPort: 9 })
      assert.strictEqual(refused._tag === "Unreachable" ? String(refused.publicAddress) : refused._tag, "10.0.0.1:9")
      const foreign = yield* startFails({ externalIp: "10.0.0.7" })
      assert.strictEqual(foreign._tag === "Unreachable" ? String(foreign.publicAddress) : foreign._tag, "10.0.0.7:1")
    }).pipe(onNetwork)
  )

  it.effect("fails with EndpointEchoError of RpcTimedOut when the contact never answers", () =>
    Effect.gen(function* () {
      yield* silent(contact)
      const error = yield* startFails({ rpcTimeout: "2 seconds" })
      assert.strictEqual(error._tag === "EndpointEchoError" ? error.reason._tag : error._tag, "RpcTimedOut")
      assert.strictEqual(error._tag === "EndpointEchoError" ? String(error.peer) : "", contact)
    }).pipe(onNetwork)
  )

  it.effect("fails with EndpointVerificationError of RpcTimedOut when the contact stays silent after the echo", () =>
    Effect.gen(function* () {
      yield* answering(contact, (question): WireMessage | undefined =>
        question._tag === "EndpointEchoReq" ? { _tag: "EndpointEchoResp", address: address("10.0.0.1:1") } : undefined
      )
      const error = yield* startFails({ rpcTimeout: "2 seconds" })
      assert.strictEqual(error._tag === "EndpointVerificationError" ? error.reason._tag : error._tag, "RpcTimedOut")
    }).pipe(onNetwork)
  )

  it.effect("fails with EndpointEchoError of SerializationError when the contact answers with garbage", () =>
    Effect.gen(function* () {
      yield* answering(contact, () => bytes("not the protocol"))
      const error = yield* startFails()
      assert.strictEqual(error._tag === "EndpointEchoError" ? error.reason._tag : error._tag, "SerializationError")
    }).pipe(onNetwork)
  )

  it.effect("fails with EndpointEchoError of StreamLost when the contact resets the question, or ends it", () =>
    Effect.gen(function* () {
      yield* raw(contact, (send) => {
        send?.reset(7)
        return { onData: () => true, onEnd: () => {} }
      })
      yield* raw("10.0.0.3:3", (send) => {
        send?.write(new Uint8Array(0), true, () => {})
        return { onData: () => true, onEnd: () => {} }
      })
      for (const peer of [contact, "10.0.0.3:3"]) {
        const error = yield* startFails({}, [peer])
        assert.strictEqual(error._tag === "EndpointEchoError" ? error.reason._tag : error._tag, "StreamLost")
      }
    }).pipe(onNetwork)
  )

  it.effect("reports what cannot be an address of a contact by its place", () =>
    Effect.gen(function* () {
      const error = yield* startFails({}, [contact, "nowhere"])
      assert.deepInclude(error, { _tag: "EndpointConfigError", path: "contacts.1" })
    }).pipe(onNetwork)
  )
})

describe("the port mapping", () => {
  const mapper = Effect.gen(function* () {
    const asked: Array<MapOptions> = []
    const state = { mapped: 0 }
    const service = PortMapper.of({
      map: (options) =>
        Effect.acquireRelease(
          Effect.suspend(() => {
            asked.push(options)
            state.mapped += 1
            return granted(options.internal, address("10.0.0.1:7777"))
          }),
          () => Effect.sync(() => (state.mapped -= 1))
        )
    })
    return { asked, state, service }
  })

  it.effect("is not asked for unless forwardPort is set", () =>
    Effect.gen(function* () {
      const { asked, service } = yield* mapper
      yield* Effect.provideService(endpoint("10.0.0.1:1"), PortMapper, service)
      assert.deepStrictEqual(asked, [])
    }).pipe(onNetwork)
  )

  it.effect(
    "gets the bound address, the wished port and the lease; its address is the public one; it ends with the endpoint",
    () =>
      Effect.gen(function* () {
        const { asked, service, state } = yield* mapper
        const scope = yield* Scope.make()
        const config: EndpointConfig.Input = { forwardPort: true, upnpLeaseDuration: "90 seconds" }
        const one = yield* endpoint("10.0.0.1:1", config).pipe(
          Scope.provide(scope),
          Effect.provideService(PortMapper, service)
        )
        assert.strictEqual(String(one.publicAddress), "10.0.0.1:7777")
        assert.strictEqual(String(asked[0]?.internal), "10.0.0.1:1")
        assert.strictEqual(asked[0]?.external, undefined)
        assert.strictEqual(Duration.toSeconds(asked[0]!.lease), 90)
        assert.strictEqual(state.mapped, 1)
        yield* one.close
        assert.strictEqual(state.mapped, 0)
        yield* Scope.close(scope, Exit.void)

        yield* Effect.provideService(
          endpoint("10.0.0.1:1", { forwardPort: true, externalPort: 99 }),
          PortMapper,
          service
        )
        assert.strictEqual(asked[1]?.external, 99)
      }).pipe(onNetwork)
  )

  it.effect("is what the contact verifies, and it is removed when that fails", () =>
    Effect.gen(function* () {
      const { service, state } = yield* mapper
      yield* endpoint(contact)
      const error = yield* Effect.provideService(startFails({ forwardPort: true }), PortMapper, service)
      assert.strictEqual(error._tag === "Unreachable" ? String(error.publicAddress) : error._tag, "10.0.0.1:7777")
      assert.strictEqual(state.mapped, 0)
    }).pipe(onNetwork)
  )

  it.effect("fails with PortMapperUnsupported when there is no mapper", () =>
    Effect.gen(function* () {
      const error = yield* startFails({ forwardPort: true }, [])
      assert.strictEqual(error._tag, "PortMapperUnsupported")
      yield* endpoint("10.0.0.1:1")
    }).pipe(onNetwork)
  )

  it.effect("fails with the mapper's own error", () =>
    Effect.gen(function* () {
      const conflict = new MappingConflict({ gateway: "192.0.2.1", externalPort: 5 })
      const failing = PortMapper.of({ map: () => Effect.fail(conflict) })
      const error = yield* Effect.provideService(startFails({ forwardPort: true }), PortMapper, failing)
      assert.strictEqual(error, conflict)
    }).pipe(onNetwork)
  )
})

describe("isReachable", () => {
  it.effect("makes a connection for the question, apart from the pool's, and closes it", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        // The pool's, and one more.
        const [one, two] = yield* pair({ maxConnections: 2 }, { maxConnections: 2 })
        const pooled = yield* one.connectTo(contact)
        yield* settle
        yield* two.nextConnection
        for (let i = 1; i <= 3; i++) {
          yield* one.isReachable(contact)
          assert.strictEqual(dials.peers.length, 1 + i)
          yield* settle
        }
        assert.isUndefined((yield* Effect.forkChild(two.nextConnection)).pollUnsafe())
        assert.isUndefined((yield* Effect.forkChild(two.nextDisconnection)).pollUnsafe())
        assert.isTrue((yield* one.connectTo(contact)) === pooled)
        assert.isUndefined((yield* Effect.forkChild(one.nextDisconnection)).pollUnsafe())
      })
    ).pipe(onNetwork)
  )

  it.effect("leaves nothing in the pool of a stranger", () =>
    Effect.gen(function* () {
      const [one] = yield* pair()
      yield* one.isReachable(contact)
      assert.isTrue(Option.isNone(yield* one.connectionId(contact)))
    }).pipe(onNetwork)
  )

  it.effect("says why a contact failed: refused, no address, no peer there, or no response", () =>
    Effect.gen(function* () {
      yield* refuse("10.0.0.9:9")
      yield* silent("10.0.0.3:3")
      const one = yield* endpoint("10.0.0.1:1", { rpcTimeout: "5 seconds" })
      const expected = {
        "10.0.0.9:9": "TransportError",
        nowhere: "InvalidAddress",
        "10.0.0.7:7": "RpcTimedOut",
        "10.0.0.3:3": "RpcTimedOut"
      }
      for (const [peer, tag] of Object.entries(expected)) {
        const asking = yield* Effect.forkChild(Effect.flip(one.isReachable(peer)))
        yield* settle
        yield* TestClock.adjust("1 minute")
        const error = yield* Fiber.join(asking)
        assert.strictEqual(error._tag === "ConnectionLost" ? error.reason._tag : error._tag, tag)
      }
    }).pipe(onNetwork)
  )

  it.effect("closes its connection when it is interrupted or times out", () =>
    Effect.gen(function* () {
      const mute = yield* silent("10.0.0.3:3")
      const one = yield* endpoint("10.0.0.1:1", { rpcTimeout: "5 seconds", maxConnections: 1 })
      const asking = yield* Effect.forkChild(one.isReachable("10.0.0.3:3"))
      yield* settle
      assert.strictEqual(mute.accepted.length, 1)
      yield* Fiber.interrupt(asking)
      const again = yield* Effect.forkChild(Effect.flip(one.isReachable("10.0.0.3:3")))
      yield* settle
      assert.strictEqual(mute.accepted.length, 2)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(again))._tag, "RpcTimedOut")
      // With the one connection that is allowed still there this would be TooManyConnections.
      yield* one.connectTo("10.0.0.3:3")
    }).pipe(onNetwork)
  )
})
