import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import { Conditions, Rules } from "../../../src/internal/network/conditions.ts"
import { type Place, placeOf } from "../../../src/internal/network/place.ts"

const place = (text: string): Place => placeOf(NetAddress.inetAddressFromStringUnsafe(text))
const a = place("10.0.0.1:1")
const sameHost = place("10.0.0.1:2")
const b = place("10.0.0.2:1")
const c = place("10.0.0.3:1")

describe("Rules", () => {
  it("prefer a socket's to its host's, and that to everybody's", () => {
    const rules = new Rules("none")
    assert.strictEqual(rules.get(a, b), "none")
    // The most special ones first: what is said later does not win by that.
    rules.set("10.0.0.1:1", "10.0.0.2:1", "socket to socket")
    rules.set("10.0.0.1:1", "10.0.0.2", "socket to host")
    rules.set("10.0.0.1", "10.0.0.2", "host to host")
    rules.set("10.0.0.1", "*", "from host")
    rules.set("*", "*", "all")
    const found = [
      [a, b],
      [a, place("10.0.0.2:9")],
      [sameHost, b],
      [sameHost, c],
      [c, b],
      [b, a]
    ].map(([from, to]) => rules.get(from!, to!))
    assert.deepStrictEqual(found, ["socket to socket", "socket to host", "host to host", "from host", "all", "all"])
  })

  it("let the latest count among equals, also when it was said before", () => {
    const rules = new Rules("none")
    rules.set("10.0.0.1", "*", "from")
    rules.set("*", "10.0.0.2", "to")
    assert.strictEqual(rules.get(a, b), "to")
    rules.set("10.0.0.1", "*", "from again")
    assert.strictEqual(rules.get(a, b), "from again")
  })

  it("do not take one end that fits for both", () => {
    const rules = new Rules("none")
    rules.set("10.0.0.1:1", "10.0.0.3", "another target")
    rules.set("10.0.0.3", "10.0.0.2:1", "another source")
    assert.strictEqual(rules.get(a, b), "none")
  })
})

describe("Conditions", () => {
  it("take no time by default", () => {
    const conditions = new Conditions()
    assert.strictEqual(conditions.transit(a, b, 1_000_000, 0), 0)
    assert.strictEqual(conditions.backlog(a, b, 0), 0)
  })

  it("have packets wait for those before them, on the same way only", () => {
    const conditions = new Conditions()
    conditions.setLatency(() => 5)
    conditions.setRate(100)
    assert.deepStrictEqual(
      [1_000, 500, 50].map((size) => conditions.transit(a, b, size, 0)),
      [15, 20, 21]
    )
    assert.strictEqual(conditions.backlog(a, b, 0), 15.5)
    for (const [from, to] of [
      [b, a],
      [sameHost, b],
      [a, c]
    ] as const) {
      assert.strictEqual(conditions.backlog(from, to, 0), 0)
      assert.strictEqual(conditions.transit(from, to, 1_000, 0), 15)
    }
    assert.strictEqual(conditions.backlog(a, b, 10), 5.5)
    assert.strictEqual(conditions.transit(a, b, 100, 100), 6)
  })

  it("keep what waits when rules change", () => {
    const conditions = new Conditions()
    conditions.setRate(100)
    conditions.transit(a, b, 1_000, 0)
    conditions.setLatency(() => 5, "10.0.0.3")
    assert.strictEqual(conditions.backlog(a, b, 0), 10)
    conditions.setRate(1_000)
    assert.strictEqual(conditions.transit(a, b, 1_000, 0), 11)
  })

  it("cut one way, by sockets and hosts, until mended by the same names", () => {
    const conditions = new Conditions()
    const severed = () => [
      conditions.isSevered([a], [b]),
      conditions.isSevered([b], [a]),
      conditions.isSevered([sameHost], [b]),
      conditions.isSevered([a], [c])
    ]
    conditions.cut("10.0.0.1:1", "10.0.0.2")
    assert.deepStrictEqual(severed(), [true, false, false, false])
    conditions.mend("10.0.0.1", "10.0.0.2")
    assert.deepStrictEqual(severed(), [true, false, false, false])
    conditions.mend("10.0.0.1:1", "10.0.0.2")
    assert.deepStrictEqual(severed(), [false, false, false, false])
    conditions.cut("10.0.0.1", "10.0.0.2:1")
    assert.deepStrictEqual(severed(), [true, false, true, false])
    conditions.heal()
    assert.deepStrictEqual(severed(), [false, false, false, false])
  })

  it("cut a socket off by each of its places", () => {
    const conditions = new Conditions()
    const seen = place("203.0.113.1:1")
    conditions.cut("203.0.113.1", "10.0.0.2")
    assert.isTrue(conditions.isSevered([a, seen], [c, b]))
    conditions.heal()
    conditions.cut("10.0.0.1", "10.0.0.2")
    assert.isTrue(conditions.isSevered([a, seen], [c, b]))
    conditions.heal()
    conditions.blackholes.add("203.0.113.1")
    assert.isTrue(conditions.isSevered([a, seen], [c]))
    assert.isTrue(conditions.isSevered([c], [a, seen]))
    assert.isFalse(conditions.isSevered([a], [c]))
  })

  it("refuse by socket and by host", () => {
    const conditions = new Conditions()
    conditions.refused.add("10.0.0.1:1")
    conditions.refused.add("10.0.0.2")
    assert.deepStrictEqual(
      [a, sameHost, b, c].map((each) => conditions.isRefused(each)),
      [true, false, true, false]
    )
  })
})
