import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import type { ProtocolStream } from "../src/ProtocolStream.ts"
import { type Reservation, Reservations } from "../src/Reservations.ts"
import { settle } from "./support/memoryEndpoints.ts"

/** A stream of a peer at an address. */
const from = (peerId: string, address: string) =>
  ({
    peerId,
    connection: { remoteAddress: NetAddress.inetAddressFromStringUnsafe(address) }
  }) as unknown as ProtocolStream

/** How many reservations of 10 bytes are taken, one after the other, until one is refused. */
const taken = (reservations: Reservations, streams: (at: number) => ProtocolStream) => {
  let count = 0
  while (reservations.take(streams(count), 10) !== undefined) count += 1
  return count
}

describe("the memory for what has arrived in part", () => {
  it("is a third for one peer, and a half for an IP address, whatever the keys", () => {
    assert.closeTo(
      taken(new Reservations(900), () => from("a", "10.0.0.1:1")),
      30,
      1
    )
    assert.closeTo(
      taken(new Reservations(900), (at) => from(`key ${at}`, `10.0.0.1:${at + 1}`)),
      45,
      1
    )
  })

  it("is a half for a /64 of IPv6, whatever the addresses and the keys", () => {
    const one = new Reservations(900)
    assert.closeTo(
      taken(one, (at) => from(`key ${at}`, `[2001:db8::${(at + 1).toString(16)}]:1`)),
      45,
      1
    )
    // Another network has a half of what is left.
    assert.closeTo(
      taken(one, (at) => from(`key ${at}`, `[2001:db8:1::${(at + 1).toString(16)}]:1`)),
      22,
      1
    )
  })

  it.effect("is had by who waits when another IP address gives it back, while the own reservations stay", () =>
    Effect.gen(function* () {
      const reservations = new Reservations(256)
      const others: Array<Reservation> = []
      for (let other: Reservation | undefined; ; others.push(other)) {
        other = reservations.take(from(`key ${others.length % 2}`, "10.0.0.1:1"), 16)
        if (other === undefined) break
      }
      const one = from("b", "10.0.0.2:2")
      let count = 0
      while (reservations.take(one, 16) !== undefined) count += 1
      const further = reservations.make(one, 16)
      const fiber = yield* Effect.forkChild(further.wait)
      yield* settle
      assert.isUndefined(fiber.pollUnsafe())
      for (const other of others) other.release()
      yield* settle
      assert.isDefined(fiber.pollUnsafe())
      assert.strictEqual(reservations.bytes, 16 * (count + 1))
    })
  )

  it.effect("is not taken by a reservation that was released while it waited, nor by one that is asked later", () =>
    Effect.gen(function* () {
      const reservations = new Reservations(100)
      const one = from("a", "10.0.0.1:1")
      const large = reservations.take(one, 100)!
      const waiting = reservations.make(one, 10)
      yield* Effect.forkChild(waiting.wait)
      yield* settle
      waiting.release()
      large.release()
      yield* settle
      assert.strictEqual(reservations.bytes, 0)
      assert.isFalse(waiting.takeNow())
      yield* waiting.wait
      assert.strictEqual(reservations.bytes, 0)
    })
  )

  it.effect("is waited for, and goes to others when a wait is given up", () =>
    Effect.gen(function* () {
      const reservations = new Reservations(900)
      const one = from("a", "10.0.0.1:1")
      const large = reservations.take(one, 800)!
      const waiting = [
        reservations.make(one, 10),
        reservations.make(one, 10),
        reservations.make(from("b", "10.0.0.2:2"), 10)
      ]
      const fibers = yield* Effect.forEach(waiting, ({ wait }) => Effect.forkChild(wait))
      yield* settle
      assert.deepStrictEqual(
        fibers.map((fiber) => fiber.pollUnsafe() === undefined),
        [true, true, false]
      )
      yield* Fiber.interrupt(fibers[0]!)
      waiting[0]!.release()
      large.release()
      yield* settle
      assert.isDefined(fibers[1]!.pollUnsafe())
      assert.strictEqual(reservations.bytes, 20)
      for (const each of waiting) each.release()
      for (const each of waiting) each.release()
      assert.strictEqual(reservations.bytes, 0)
      assert.isDefined(reservations.take(one, 5_000))
    })
  )
})
