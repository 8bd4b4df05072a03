import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import type { NatKind } from "../../../src/internal/network/nat.ts"
import { type Place, placeOf } from "../../../src/internal/network/place.ts"
import type { Port, Realm } from "../../../src/internal/network/realm.ts"
import * as Timeline from "../../../src/internal/network/timeline.ts"
import { Wire } from "../../../src/internal/network/wire.ts"

const place = (text: string): Place => placeOf(NetAddress.inetAddressFromStringUnsafe(text))

/** A wire with what became of each packet on it. */
const make = Effect.map(Timeline.make, (timeline) => {
  const wire = new Wire<Port>(timeline, () => 0)
  const log: Array<string> = []
  const port = (text: string, realm: Realm = wire.internet): Port => {
    const added = { place: place(text), home: place(text), realm }
    realm.add(added)
    return added
  }
  const gateway = (address: string, kind: NatKind = "FullCone", outside?: Realm) =>
    wire.addGateway({
      address: NetAddress.ipFromStringUnsafe(address),
      kind,
      hairpinning: true,
      lifetime: 100,
      outside
    })
  const send = (from: Port, to: string, notBefore = 0) =>
    wire.transmit(from, place(to), 100, notBefore, {
      arrive: (port, source) => log.push(`${timeline.now()} ${port?.home.key ?? "nobody"} from ${source.key}`),
      lose: () => log.push(`${timeline.now()} lost`)
    })
  const taken = (adjust: Effect.Effect<void>) => Effect.map(adjust, () => log.splice(0))
  return { wire, log, port, gateway, send, taken }
})

describe("Wire", () => {
  it.effect("has packets arrive when they are due, at the socket that is bound then", () =>
    Effect.gen(function* () {
      const { port, send, taken, wire } = yield* make
      const from = port("10.0.0.1:1")
      wire.conditions.setLatency(() => 10)
      assert.deepStrictEqual(
        [send(from, "10.0.0.2:1"), send(from, "10.0.0.3:1"), send(from, "10.0.0.4:1", 25)],
        [10, 10, 25]
      )
      const leaving = port("10.0.0.3:1")
      port("10.0.0.2:1")
      port("10.0.0.4:1")
      assert.deepStrictEqual(yield* taken(TestClock.adjust("9 millis")), [])
      wire.internet.remove(leaving)
      assert.deepStrictEqual(yield* taken(TestClock.adjust("1 second")), [
        "10 10.0.0.2:1 from 10.0.0.1:1",
        "10 nobody from 10.0.0.1:1",
        "25 10.0.0.4:1 from 10.0.0.1:1"
      ])
    })
  )

  it.effect("loses at once what is cut off when it is sent, and on arrival what has been cut off since", () =>
    Effect.gen(function* () {
      const { port, send, taken, wire } = yield* make
      const [a, b] = [port("10.0.0.1:1"), port("10.0.0.2:1")]
      wire.conditions.setLatency(() => 10)
      send(a, "10.0.0.2:1")
      wire.conditions.cut("10.0.0.1", "10.0.0.2")
      send(a, "10.0.0.2:1")
      send(b, "10.0.0.1:1")
      assert.deepStrictEqual(yield* taken(Effect.void), ["0 lost"])
      assert.deepStrictEqual(yield* taken(TestClock.adjust("10 millis")), ["10 lost", "10 10.0.0.1:1 from 10.0.0.2:1"])
    })
  )

  it.effect("knows a socket behind a gateway by its own address and by the one that it is seen at", () =>
    Effect.gen(function* () {
      const { gateway, port, send, taken, wire } = yield* make
      const home = gateway("203.0.113.1")
      const [inside, peer] = [port("192.168.1.2:1", home.inside), port("198.51.100.1:1")]
      const both = () => {
        send(inside, "198.51.100.1:1")
        send(peer, "203.0.113.1:1")
      }
      both()
      assert.deepStrictEqual(yield* taken(TestClock.adjust(0)), [
        "0 198.51.100.1:1 from 203.0.113.1:1",
        "0 192.168.1.2:1 from 198.51.100.1:1"
      ])
      for (const name of ["192.168.1.2:1", "192.168.1.2", "203.0.113.1:1", "203.0.113.1"]) {
        wire.conditions.cut("198.51.100.1", name)
        both()
        assert.deepStrictEqual((yield* taken(TestClock.adjust(0))).toSorted(), [
          "0 198.51.100.1:1 from 203.0.113.1:1",
          "0 lost"
        ])
        wire.conditions.heal()
        wire.conditions.cut(name, "198.51.100.1:1")
        both()
        assert.deepStrictEqual((yield* taken(TestClock.adjust(0))).toSorted(), [
          "0 192.168.1.2:1 from 198.51.100.1:1",
          "0 lost"
        ])
        wire.conditions.heal()
        wire.conditions.blackholes.add(name)
        both()
        assert.deepStrictEqual(yield* taken(TestClock.adjust(0)), ["0 lost", "0 lost"])
        wire.conditions.heal()
      }
    })
  )

  it.effect("opens a gateway's port also for what is lost behind it, and asks who may come in on arrival", () =>
    Effect.gen(function* () {
      const { gateway, port, send, taken, wire } = yield* make
      const home = gateway("203.0.113.1", "PortRestricted")
      const [inside, peer] = [port("192.168.1.2:1", home.inside), port("198.51.100.1:1")]
      wire.conditions.setLatency(() => 10)
      wire.conditions.cut("192.168.1.2", "198.51.100.1")
      send(peer, "203.0.113.1:1")
      yield* TestClock.adjust("5 millis")
      send(inside, "198.51.100.1:1")
      assert.deepStrictEqual(yield* taken(TestClock.adjust("5 millis")), [
        "5 lost",
        "10 192.168.1.2:1 from 198.51.100.1:1"
      ])
      yield* TestClock.adjust("90 millis")
      send(peer, "203.0.113.1:1")
      assert.deepStrictEqual(yield* taken(TestClock.adjust("10 millis")), ["110 lost"])
    })
  )
})
