/**
 * Somebody in the middle: a host that answers in place of a peer, and passes on what it hears, changed.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { PeerMismatch, PeerRefused } from "@qp2p/core/ConnectionError"
import * as PeerPolicy from "@qp2p/core/PeerPolicy"
import { ConnectionLost } from "@qp2p/core/SendError"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { endpoint, nothing, onLoopback, type Service } from "./support/quicEndpoints.ts"
import { until } from "./support/quicSockets.ts"

/** Passes on to `target` what comes, with a larger amount. */
const between = Effect.fnUntraced(function* (target: Service) {
  const middle = yield* endpoint()
  const failures: Array<unknown> = []
  yield* middle.incomingMessages.pipe(
    Stream.runForEach(({ payload }) =>
      middle
        .sendMessage(bytes(textOf(payload).replace("100", "100000")), target.peerAddress, { retryDuration: 0 })
        .pipe(Effect.catch((error) => Effect.sync(() => failures.push(error))))
    ),
    Effect.forkScoped
  )
  return { middle, failures }
})

describe("somebody in the middle", () => {
  it.live("changes what is sent to an address alone, and shows itself by its key on both sides", () =>
    Effect.gen(function* () {
      const bank = yield* endpoint()
      const { middle } = yield* between(bank)
      const customer = yield* endpoint()
      yield* customer.sendMessage(bytes("pay 100"), middle.localAddress)
      const message = yield* bank.nextMessage
      assert.strictEqual(textOf(message.payload), "pay 100000")
      assert.strictEqual(message.peerId, middle.peerId)
      assert.notStrictEqual(message.peerId, customer.peerId)
      assert.strictEqual((yield* customer.connectTo(middle.localAddress)).peerId, middle.peerId)
    }).pipe(onLoopback)
  )

  it.live("is noticed by who dials the peer by its id, and hears nothing", () =>
    Effect.gen(function* () {
      const bank = yield* endpoint()
      const { middle } = yield* between(bank)
      const customer = yield* endpoint()
      const pinned = `${bank.peerId}@${middle.localAddress}`
      const mismatch = new PeerMismatch({
        expected: bank.peerId,
        actual: middle.peerId,
        address: middle.localAddress
      })
      assert.deepStrictEqual(yield* Effect.flip(customer.connectTo(pinned)), mismatch)
      const failed = yield* Effect.flip(customer.sendMessage(bytes("pay 100"), pinned))
      assert.deepStrictEqual(failed, new ConnectionLost({ reason: mismatch }))
      // What is sent to the bank itself comes first: nothing of the other message is on its way.
      yield* customer.sendMessage(bytes("pay 1"), bank.peerAddress)
      const { payload, peerId } = yield* bank.nextMessage
      assert.deepStrictEqual([textOf(payload), peerId], ["pay 1", customer.peerId])
      for (const taken of [middle.nextConnection, middle.nextMessage, bank.nextMessage]) {
        assert.isTrue(yield* nothing<unknown, unknown>(taken))
      }
    }).pipe(onLoopback)
  )

  it.live("gets nothing through to a peer that lets in known keys only", () =>
    Effect.gen(function* () {
      const customer = yield* endpoint()
      const bank = yield* Effect.provideService(endpoint(), PeerPolicy.PeerPolicy, ({ peerId }) =>
        Effect.succeed(peerId === customer.peerId)
      )
      const { failures, middle } = yield* between(bank)
      yield* customer.sendMessage(bytes("pay 100"), middle.localAddress)
      yield* Effect.flip(middle.connectTo(bank.peerAddress))
      yield* customer.sendMessage(bytes("pay 1"), bank.peerAddress)
      assert.strictEqual(textOf((yield* bank.nextMessage).payload), "pay 1")
      assert.isTrue(yield* nothing(bank.nextMessage))
      yield* until("the failure in the middle", () => failures.length > 0)
      const [failure] = failures
      assert.instanceOf(failure, ConnectionLost)
      assert.instanceOf(failure.reason, PeerRefused)
    }).pipe(onLoopback)
  )
})
