import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Flags from "../src/Flags.ts"

const millis = (input: string) => Option.map(Flags.parseDuration(input), Duration.toMillis)

describe("Flags", () => {
  it.each(["127.0.0.1:4433", "[::1]:4433", "0.0.0.0:0"])("reads the address %s", (input) => {
    assert.strictEqual(`${Option.getOrThrow(Flags.parseAddress(input))}`, input)
  })

  it.each(["", "127.0.0.1", ":4433", "localhost:4433", "::1:4433", "127.0.0.1:65536", "1.2.3:1"])(
    "refuses the address %j",
    (input) => {
      assert.isTrue(Option.isNone(Flags.parseAddress(input)))
    }
  )

  it.each([
    ["500ms", 500],
    ["2s", 2_000],
    ["1.5m", 90_000],
    ["1h", 3_600_000],
    ["2 seconds", 2_000],
    ["250 millis", 250],
    ["0", 0]
  ])("reads the time span %s", (input, expected) => {
    assert.deepStrictEqual(millis(input), Option.some(expected))
  })

  it.each(["", "2", "s", "-1s", "1 fortnight", "Infinity"])("refuses the time span %j", (input) => {
    assert.isTrue(Option.isNone(millis(input)))
  })

  it("keeps a connection alive within the idle timeout", () => {
    const none = Option.none<Duration.Duration>()
    const seconds = (count: number) => Option.some(Duration.seconds(count))
    assert.deepStrictEqual(Flags.timeouts({ idleTimeout: none, keepAlive: none }), {})
    assert.deepStrictEqual(Flags.timeouts({ idleTimeout: seconds(3), keepAlive: none }), {
      idleTimeout: Duration.seconds(3),
      keepAliveInterval: Duration.seconds(1)
    })
    assert.deepStrictEqual(Flags.timeouts({ idleTimeout: seconds(300), keepAlive: none }), {
      idleTimeout: Duration.seconds(300),
      keepAliveInterval: Duration.seconds(20)
    })
    assert.deepStrictEqual(Flags.timeouts({ idleTimeout: seconds(3), keepAlive: seconds(2) }), {
      idleTimeout: Duration.seconds(3),
      keepAliveInterval: Duration.seconds(2)
    })
  })
})
