/**
 * Connections that are made for verification, over QUIC: neither side tells its application of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { follow } from "../../core/test/support/roster.ts"
import { endpoint, nothing, onLoopback, pair } from "./support/quicEndpoints.ts"

describe("a connection that is made for verification", () => {
  it.live("appears on neither side, whether or not the application waits for connections and their ends", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      // The first follows nothing yet, the second everything.
      const { came, peers, went } = yield* follow(two)
      for (let i = 0; i < 10; i++) {
        yield* one.isReachable(two.localAddress)
        yield* two.isReachable(one.localAddress)
      }
      assert.deepStrictEqual([yield* one.connections, yield* two.connections], [[], []])
      const live = yield* one.connectTo(two.localAddress)
      for (let i = 0; i < 10; i++) {
        yield* one.isReachable(two.localAddress)
        yield* two.isReachable(one.localAddress)
      }
      // A message later, everything that the verifications have done is done.
      yield* one.sendMessage(bytes("there"), two.localAddress)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "there")
      yield* two.sendMessage(bytes("and back"), one.localAddress)
      assert.deepStrictEqual(
        came.map(({ direction, remoteAddress }) => [direction, `${remoteAddress}`]),
        [["Inbound", `${one.localAddress}`]]
      )
      assert.deepStrictEqual(went, [])
      assert.deepStrictEqual([...peers], [`${one.localAddress}`])
      assert.isTrue(yield* nothing(one.nextConnection))
      assert.isTrue(yield* nothing(one.nextDisconnection))
      assert.deepStrictEqual(
        (yield* one.connections).map((connection) => connection === live),
        [true]
      )
      assert.deepStrictEqual(
        (yield* two.connections).map((connection) => connection === came[0]),
        [true]
      )
    }).pipe(onLoopback)
  )

  it.live("by a contact that verifies an address is not told of, and a roster keeps the contact", () =>
    Effect.gen(function* () {
      const two = yield* endpoint()
      const contact = `${two.localAddress}`
      const one = yield* endpoint({}, [contact])
      assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(contact))
      const roster = yield* follow(one)
      roster.peers.add(contact)
      for (let i = 0; i < 5; i++) yield* one.bootstrap()
      yield* one.sendMessage(bytes("still there"), contact)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "still there")
      assert.deepStrictEqual([...roster.peers], [contact])
      assert.deepStrictEqual([roster.came, roster.went], [[], []])
      assert.strictEqual(`${(yield* two.nextConnection).remoteAddress}`, `${one.localAddress}`)
      assert.isTrue(yield* nothing(two.nextConnection))
      assert.isTrue(yield* nothing(two.nextDisconnection))
    }).pipe(onLoopback)
  )
})
