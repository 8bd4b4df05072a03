import { assert, describe, it } from "@effect/vitest"
import { LogLimit } from "../../../src/internal/socket/logLimit.ts"
import { logInterval, maxLogLines, maxLogLinesPerIp } from "../../../src/internal/tunables/logs.ts"

const setup = () => {
  const lines: Array<string> = []
  const clock = { now: 0 }
  const limit = new LogLimit(
    () => clock.now,
    (text) => lines.push(text)
  )
  const log = (ip: string, count: number) => {
    for (let i = 0; i < count; i++) limit.log(ip, () => lines.push(ip))
  }
  return { clock, limit, lines, log }
}

describe("lines about peers", () => {
  it("are limited for one IP address, whose flood leaves room for those about others", () => {
    const { lines, log } = setup()
    log("192.0.2.1", 1_000)
    log("192.0.2.2", 1)
    assert.deepStrictEqual(lines, [...Array(maxLogLinesPerIp).fill("192.0.2.1"), "192.0.2.2"])
  })

  it("are limited for all addresses together", () => {
    const { lines, log } = setup()
    for (let ip = 0; ip < 1_000; ip++) log(`${ip}`, 1)
    assert.lengthOf(lines, maxLogLines)
  })

  it("that were left out are counted, and told of by the next sweep or line", () => {
    for (const next of ["sweep", "line"]) {
      const { clock, limit, lines, log } = setup()
      log("192.0.2.1", maxLogLinesPerIp + 7)
      clock.now = logInterval - 1
      limit.tick()
      assert.lengthOf(lines.splice(0), maxLogLinesPerIp)
      clock.now = logInterval
      if (next === "sweep") limit.tick()
      else log("192.0.2.1", 1)
      assert.strictEqual(lines[0], "7 further lines about peers were left out")
      limit.tick()
      assert.lengthOf(lines, next === "sweep" ? 1 : 2)
    }
  })

  it("begin an interval with the first of them", () => {
    const { clock, limit, lines, log } = setup()
    limit.tick()
    clock.now = logInterval / 2
    log("192.0.2.1", maxLogLinesPerIp)
    clock.now += logInterval - 1
    log("192.0.2.1", 1)
    assert.lengthOf(lines, maxLogLinesPerIp)
  })
})
