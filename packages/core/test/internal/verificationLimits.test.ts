import { assert, describe, it } from "@effect/vitest"
import { VerificationLimits } from "../../src/internal/verificationLimits.ts"
import { address } from "../support/values.ts"

const ip = (i: number) => address(`10.${(i >>> 16) & 255}.${(i >>> 8) & 255}.${i & 255}:1`).address

describe("the limits of verifications", () => {
  it("remember 4,096 addresses at most, and forget those that count like unknown ones", () => {
    const limits = new VerificationLimits()
    for (let i = 0; i < 4_096; i++) {
      assert.isTrue(limits.begin(ip(i), 0))
      limits.end(ip(i))
    }
    // Each of them has begun one less than it may.
    assert.isFalse(limits.begin(ip(5_000), 999))
    assert.isTrue(limits.begin(ip(7), 999))
    limits.end(ip(7))
    assert.isTrue(limits.begin(ip(5_000), 1_000))
    limits.end(ip(5_000))
    // The address that began two is remembered still.
    for (let i = 0; i < 7; i++) {
      assert.isTrue(limits.begin(ip(7), 1_000), String(i))
      limits.end(ip(7))
    }
    assert.isFalse(limits.begin(ip(7), 1_000))
  })
})
