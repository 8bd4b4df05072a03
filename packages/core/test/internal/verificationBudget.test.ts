import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { VerificationBudget } from "../../src/internal/verificationBudget.ts"

const setup = (received: number) => {
  const connection = { received }
  const budget = new VerificationBudget<typeof connection>((each) => each.received)
  const begin = (seconds: number) => budget.begin(connection, Duration.seconds(seconds))
  return { begin, budget, connection }
}

describe("the dials for verifications", () => {
  it("send at most three times what the peer has sent, however often it asks", () => {
    for (let received = 0; received < 20_000; received += 123) {
      const { begin } = setup(received)
      let bytes = 0
      for (let dial = begin(5); dial !== undefined; dial = begin(5)) bytes += dial.bytes
      assert.isAtMost(bytes, 3 * received)
      assert.isAbove(bytes + 2_400, 3 * received)
    }
  })

  it("take less time when the budget is small, and never more than they should", () => {
    const limits = [800, 1_200, 2_000, 2_800, 3_600].map((received) => setup(received).begin(10)?.limit)
    assert.deepStrictEqual(
      limits.map((limit) => limit && Duration.toMillis(limit)),
      [900, 2_700, 6_300, 10_000, 10_000]
    )
    assert.deepStrictEqual(setup(100_000).begin(0.5), { limit: Duration.millis(500), bytes: 2_400 })
    assert.isUndefined(setup(799).begin(10))
  })

  it("cost nothing when they find the peer", () => {
    const { begin, budget, connection } = setup(800)
    for (let i = 0; i < 100; i++) {
      assert.isTrue(budget.isEnough(connection))
      const dial = begin(5)!
      assert.isFalse(budget.isEnough(connection))
      budget.refund(connection, dial)
    }
  })

  it("count for each connection alone", () => {
    const { begin, budget } = setup(800)
    begin(5)
    assert.isUndefined(begin(5))
    assert.isDefined(budget.begin({ received: 800 }, Duration.seconds(5)))
  })
})
