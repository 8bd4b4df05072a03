import { assert, describe, it } from "@effect/vitest"
import { ResetRate } from "../../../src/internal/socket/resetRate.ts"
import * as tunables from "../../../src/internal/tunables/connectionIds.ts"
import { maxCountedIps } from "../../../src/internal/tunables/handshakes.ts"

/** How many of `count` resets to one IP address may be sent at this time. */
const passed = (rate: ResetRate, count: number, ip: string, now: number): number => {
  let sent = 0
  for (let i = 0; i < count; i++) if (rate.take(() => ip, now)) sent += 1
  return sent
}

describe("stateless resets", () => {
  it("to one IP address are so many at once, and so many in each second", () => {
    const rate = new ResetRate()
    assert.strictEqual(passed(rate, 10_000, "a", 0), tunables.maxResetsPerIp)
    let later = 0
    for (let now = 1; now <= 10_000; now++) later += passed(rate, 5, "a", now)
    assert.approximately(later, 10 * tunables.resetsPerIpAndSecond, 1)
    assert.strictEqual(passed(rate, 10_000, "b", 10_000), tunables.maxResetsPerIp)
  })

  it("to all together are so many at once, and so many in each second, from however many addresses packets seem to come", () => {
    const rate = new ResetRate()
    let sent = 0
    for (let i = 0; i < 100_000; i++) sent += passed(rate, 1, String(i), 0)
    assert.strictEqual(sent, tunables.maxResets)
    for (let i = 0; i < 10_000; i++) sent += passed(rate, 1, String(i), i)
    assert.approximately(sent, tunables.maxResets + 10 * tunables.resetsPerSecond, 1)
  })

  it("are counted for a bounded number of IP addresses, of which the ones that have all back are forgotten first", () => {
    const rate = new ResetRate()
    const late = 10_000_000
    /** Enough time for what all addresses may have together. */
    const step = Math.ceil(1_000 / tunables.resetsPerSecond)
    for (let i = 1; i < maxCountedIps; i++) rate.take(() => String(i), i * step)
    assert.strictEqual(passed(rate, 1_000, "a", late), tunables.maxResetsPerIp)
    rate.take(() => "b", late)
    assert.strictEqual(passed(rate, 1, "a", late), 0)
    const { byIp } = (rate as unknown as { readonly byIp: { readonly byIp: ReadonlyMap<string, unknown> } }).byIp
    assert.strictEqual(byIp.size, 2)
    for (let i = 0; i < 10 * maxCountedIps; i++) rate.take(() => String(i), late + i * step)
    assert.isAtMost(byIp.size, maxCountedIps)
  })
})
