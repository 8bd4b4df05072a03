import { assert, describe, it } from "@effect/vitest"
import { UnprovenAccepts } from "../../../src/internal/socket/unprovenAccepts.ts"
import * as tunables from "../../../src/internal/tunables/handshakes.ts"

describe("clients that do not complete their handshake", () => {
  it("are let in without a Retry up to a number, and a number in each second", () => {
    const accepts = new UnprovenAccepts()
    for (let i = 0; i < tunables.maxUnprovenAccepts; i++) {
      assert.isFalse(accepts.needRetry(0))
      accepts.accepted(undefined, 0)
    }
    assert.isTrue(accepts.needRetry(0))
    let passed = 0
    for (let now = 0; now < 10_000; now += 1) {
      if (accepts.needRetry(now)) continue
      accepts.accepted(undefined, now)
      passed += 1
    }
    assert.approximately(passed, 10 * tunables.unprovenAcceptsPerSecond, 1)
  })

  it("are forgotten when they complete it, so that any number of honest ones needs no Retry", () => {
    const accepts = new UnprovenAccepts()
    for (let i = 0; i < 10 * tunables.maxUnprovenAccepts; i++) {
      assert.isFalse(accepts.needRetry(0))
      accepts.accepted(undefined, 0)
      accepts.proven(undefined)
    }
  })

  it("and came through a Retry count against their IP address alone", () => {
    const accepts = new UnprovenAccepts()
    for (let i = 0; i < tunables.maxUnprovenAcceptsPerIp; i++) {
      assert.isFalse(accepts.isExhausted("a", 0))
      accepts.accepted("a", 0)
    }
    assert.isTrue(accepts.isExhausted("a", 0))
    assert.isFalse(accepts.isExhausted("b", 0))
    assert.isFalse(accepts.needRetry(0))
    accepts.proven("a")
    assert.isFalse(accepts.isExhausted("a", 0))
    accepts.accepted("a", 0)
    assert.isTrue(accepts.isExhausted("a", 0))
    assert.isFalse(accepts.isExhausted("a", 1_000))
  })

  it("are counted for a bounded number of IP addresses, of which the ones that have all back are forgotten first", () => {
    const accepts = new UnprovenAccepts()
    for (let i = 0; i < tunables.maxUnprovenAcceptsPerIp; i++) accepts.accepted("a", 1_000_000)
    for (let i = 1; i < tunables.maxCountedIps; i++) accepts.accepted(`${i}`, 0)
    accepts.accepted("b", 1_000_000)
    assert.isTrue(accepts.isExhausted("a", 1_000_000))
    for (let i = 1; i < 2 * tunables.maxCountedIps; i++) accepts.accepted(`${i}`, 1_000_000)
    assert.isFalse(accepts.isExhausted("a", 1_000_000))
  })
})
