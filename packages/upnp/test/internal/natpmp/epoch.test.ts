import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as epoch from "../../../src/internal/natpmp/epoch.ts"

const start = { epoch: 10_000, at: 500 }
const after = (seconds: number, counted: number): epoch.Sample => ({
  epoch: start.epoch + counted,
  at: start.at + seconds
})

const rules = [
  ["NAT-PMP", epoch.natPmp],
  ["PCP", epoch.pcp]
] as const

describe.each(rules)("The epoch of %s", (_, goesOn) => {
  it("goes on with the time", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(10_000_000), fc.integer({ min: -1, max: 1 }), (first, seconds, skew) => {
        const previous = { epoch: first, at: 0 }
        assert.isTrue(goesOn(previous, { epoch: first + seconds + skew, at: seconds }))
      })
    )
  })

  it("has begun again when it is far behind", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 10_000_000 }), fc.nat(1_000_000), (first, seconds) => {
        assert.isFalse(goesOn({ epoch: first + seconds, at: 0 }, { epoch: 0, at: seconds }))
      })
    )
  })
})

describe("The epoch of NAT-PMP", () => {
  it("may lose an eighth and two seconds", () => {
    assert.isTrue(epoch.natPmp(start, after(80, 68)))
    assert.isFalse(epoch.natPmp(start, after(80, 67)))
    assert.isTrue(epoch.natPmp(start, after(0, -2)))
    assert.isFalse(epoch.natPmp(start, after(0, -3)))
  })

  it("may run as fast as it likes", () => {
    assert.isTrue(epoch.natPmp(start, after(1, 100_000)))
  })
})

describe("The epoch of PCP", () => {
  it("may go back by one", () => {
    assert.isTrue(epoch.pcp(start, after(0, -1)))
    assert.isFalse(epoch.pcp(start, after(0, -2)))
  })

  it("may lose a sixteenth and two seconds", () => {
    assert.isTrue(epoch.pcp(start, after(160, 148)))
    assert.isFalse(epoch.pcp(start, after(160, 147)))
  })

  it("may gain a sixteenth and two seconds", () => {
    assert.isTrue(epoch.pcp(start, after(148, 160)))
    assert.isFalse(epoch.pcp(start, after(147, 160)))
  })
})
