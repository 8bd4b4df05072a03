/**
 * A `PeerPolicy` decides which peers an endpoint has connections with.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { PeerRefused } from "../src/ConnectionError.ts"
import * as Endpoint from "../src/Endpoint.ts"
import { type Peer, PeerPolicy } from "../src/PeerPolicy.ts"
import { ConnectionLost } from "../src/SendError.ts"
import { address, bytes, textOf } from "./support/values.ts"
import { logged } from "./support/logs.ts"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

/** An endpoint with a policy. */
const guarded = (localAddress: string, policy: (peer: Peer) => Effect.Effect<boolean>) =>
  Effect.provideService(Endpoint.make({ localAddress }), PeerPolicy, policy)

const surfacedBy = (one: Endpoint.Endpoint["Service"]) =>
  Effect.gen(function* () {
    yield* settle
    const taken = (effect: Effect.Effect<unknown, unknown>) =>
      Effect.map(Effect.forkChild(effect, { startImmediately: true }), (fiber) => fiber.pollUnsafe() !== undefined)
    return {
      connections: (yield* one.connections).length,
      connection: yield* taken(one.nextConnection),
      message: yield* taken(one.nextMessage),
      disconnection: yield* taken(one.nextDisconnection)
    }
  })

const nothing = { connections: 0, connection: false, message: false, disconnection: false }

describe("a policy", () => {
  it.effect("is asked once on each side, with the key, the address and the direction", () =>
    Effect.gen(function* () {
      const asked: Array<Peer> = []
      const policy = (peer: Peer) => Effect.sync(() => asked.push(peer) > 0)
      const one = yield* guarded(here, policy)
      const two = yield* guarded(there, policy)
      yield* one.sendMessage(bytes("hello"), there)
      yield* one.connectTo(there)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "hello")
      assert.deepStrictEqual(asked, [
        { peerId: two.peerId, address: address(there), direction: "Outbound" },
        { peerId: one.peerId, address: address(here), direction: "Inbound" }
      ])
    }).pipe(onNetwork)
  )

  const refusals: ReadonlyArray<readonly [name: string, policy: (peer: Peer) => Effect.Effect<boolean>]> = [
    ["says no", () => Effect.succeed(false)],
    ["says no later", () => Effect.delay(Effect.succeed(false), "1 second")],
    ["fails", () => Effect.fail("unreadable list") as never],
    ["dies", () => Effect.die(new Error("a defect"))],
    [
      "throws",
      () => {
        throw new Error("thrown")
      }
    ],
    ["is interrupted", () => Effect.interrupt],
    ["answers no boolean", () => Effect.succeed("yes") as never],
    ["returns no effect", () => "yes" as never],
    ["never answers", () => Effect.never]
  ]

  for (const [name, policy] of refusals) {
    it.effect(`that ${name} refuses a peer that dials: nothing is surfaced, and the peer hears PeerRefused`, () =>
      Effect.gen(function* () {
        const one = yield* endpoint(here)
        const two = yield* guarded(there, policy)
        const refused = new PeerRefused({ peerId: two.peerId, address: address(there), by: "Remote" })
        const connecting = yield* Effect.forkChild(Effect.flip(one.connectTo(there)), { startImmediately: true })
        const sending = yield* Effect.forkChild(Effect.flip(one.sendMessage(bytes("never"), there)), {
          startImmediately: true
        })
        yield* TestClock.adjust("20 seconds")
        if (name === "never answers") {
          assert.include(["PeerRefused", "ConnectionTimedOut"], (yield* Fiber.join(connecting))._tag)
          yield* Fiber.join(sending)
        } else {
          assert.deepStrictEqual(yield* Fiber.join(connecting), refused)
          assert.deepStrictEqual(yield* Fiber.join(sending), new ConnectionLost({ reason: refused }))
        }
        assert.deepStrictEqual(yield* surfacedBy(two), nothing)
        assert.deepStrictEqual(yield* surfacedBy(one), nothing)
      }).pipe(onNetwork)
    )

    it.effect(`that ${name} refuses a peer that is dialled, which hears of nothing`, () =>
      Effect.gen(function* () {
        const one = yield* guarded(here, policy)
        const two = yield* endpoint(there)
        const refused = new PeerRefused({ peerId: two.peerId, address: address(there), by: "Local" })
        const connecting = yield* Effect.forkChild(Effect.flip(one.connectTo(there)), { startImmediately: true })
        const sending = yield* Effect.forkChild(Effect.flip(one.sendMessage(bytes("never"), there)), {
          startImmediately: true
        })
        yield* TestClock.adjust("60 seconds")
        if (name === "never answers") {
          assert.include(["PeerRefused", "ConnectionTimedOut"], (yield* Fiber.join(connecting))._tag)
          yield* Fiber.join(sending)
        } else {
          assert.deepStrictEqual(yield* Fiber.join(connecting), refused)
          assert.deepStrictEqual(yield* Fiber.join(sending), new ConnectionLost({ reason: refused }))
        }
        assert.deepStrictEqual(yield* surfacedBy(two), nothing)
        assert.deepStrictEqual(yield* surfacedBy(one), nothing)
      }).pipe(onNetwork)
    )
  }

  it.effect("that takes its time holds back the acceptance and the confirmation, and nothing is lost", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<boolean>()
      const one = yield* endpoint(here)
      const two = yield* guarded(there, () => Deferred.await(answer))
      const connecting = yield* Effect.forkChild(one.connectTo(there), { startImmediately: true })
      const sending = yield* Effect.forkChild(one.sendMessage(bytes("early"), there), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(connecting.pollUnsafe(), undefined)
      assert.strictEqual(sending.pollUnsafe(), undefined)
      assert.deepStrictEqual(yield* one.connections, [])
      assert.deepStrictEqual(yield* two.connections, [])
      yield* Deferred.succeed(answer, true)
      yield* settle
      const connection = yield* Fiber.join(connecting)
      yield* Fiber.join(sending)
      yield* connection.accepted
      assert.deepStrictEqual(yield* one.connections, [connection])
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "early")
      yield* (yield* two.nextConnection).accepted
    }).pipe(onNetwork)
  )

  it.effect("that refuses one peer does not concern another", () =>
    Effect.gen(function* () {
      const one = yield* endpoint(here)
      const three = yield* endpoint("10.0.0.3:3")
      const two = yield* guarded(there, ({ peerId }) => Effect.succeed(peerId === three.peerId))
      assert.strictEqual((yield* Effect.flip(one.connectTo(there)))._tag, "PeerRefused")
      yield* three.sendMessage(bytes("welcome"), there)
      assert.strictEqual((yield* two.nextMessage).peerId, three.peerId)
    }).pipe(onNetwork)
  )

  for (const side of ["that dials", "that is dialled"] as const) {
    it.effect(`is interrupted when the connection with a peer ${side} ends before the answer`, () =>
      Effect.gen(function* () {
        const heard: Array<string> = []
        const policy = ({ direction }: Peer) =>
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => heard.push(direction)))
        const open = endpoint(there)
        const guard = guarded(here, policy)
        if (side === "that is dialled") {
          yield* open
          const one = yield* guard
          const connecting = yield* Effect.forkChild(one.connectTo(there), { startImmediately: true })
          yield* settle
          yield* Fiber.interrupt(connecting)
        } else {
          yield* guard
          const two = yield* open
          const connecting = yield* Effect.forkChild(two.connectTo(here), { startImmediately: true })
          yield* settle
          yield* Fiber.interrupt(connecting)
        }
        yield* settle
        assert.deepStrictEqual(heard, [side === "that dials" ? "Inbound" : "Outbound"])
      }).pipe(onNetwork)
    )
  }

  for (const [name, policy, line] of [
    ["never answers", () => Effect.never, "Warn: the PeerPolicy did not answer in time: a peer is refused"],
    [
      "answers no boolean",
      () => Effect.succeed("yes") as never,
      "Warn: the PeerPolicy answered no boolean: a peer is refused"
    ]
  ] as const) {
    it.effect(`that ${name} is logged as a warning`, () =>
      Effect.gen(function* () {
        const { lines } = yield* logged(
          Effect.scoped(
            Effect.gen(function* () {
              yield* guarded(there, policy)
              const one = yield* endpoint(here, { retryDuration: 0 })
              for (let i = 0; i < 2; i++) {
                const connecting = yield* Effect.forkChild(Effect.exit(one.connectTo(there)), {
                  startImmediately: true
                })
                yield* TestClock.adjust("20 seconds")
                yield* Fiber.join(connecting)
              }
            })
          )
        )
        assert.deepStrictEqual(lines, [line, line])
      }).pipe(onNetwork)
    )
  }
})
