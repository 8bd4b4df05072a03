import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { InvalidAddress } from "../../src/ConnectionError.ts"
import { resolve } from "../../src/internal/address.ts"

const format = (input: NetAddress.InetAddress | string) => Result.map(resolve(input), NetAddress.formatInet)

describe("an address as a caller writes it", () => {
  it("has one name, whether it is text or not", () => {
    for (const [input, name] of [
      ["192.0.2.7:443", "192.0.2.7:443"],
      ["[::ffff:192.0.2.7]:443", "192.0.2.7:443"],
      ["[2001:DB8:0::1]:443", "[2001:db8::1]:443"]
    ] as const) {
      assert.deepStrictEqual(format(input), Result.succeed(name))
      assert.deepStrictEqual(format(NetAddress.inetAddressFromStringUnsafe(input)), Result.succeed(name))
    }
  })

  it("that is none fails, each time, with what was written", () => {
    for (let i = 0; i < 2; i++) {
      const result = resolve("localhost:443")
      if (Result.isSuccess(result)) return assert.fail("it has been resolved")
      assert.instanceOf(result.failure, InvalidAddress)
      assert.strictEqual(result.failure.input, "localhost:443")
    }
  })

  it("is remembered, but not among more than thousands of others", () => {
    const parsed = () => Result.getOrThrow(resolve("192.0.2.7:443"))
    const first = parsed()
    assert.strictEqual(parsed(), first)
    for (let port = 1; port <= 10_000; port++) resolve(`192.0.2.8:${port}`)
    assert.notStrictEqual(parsed(), first)
    assert.strictEqual(NetAddress.formatInet(parsed()), "192.0.2.7:443")
  })
})
