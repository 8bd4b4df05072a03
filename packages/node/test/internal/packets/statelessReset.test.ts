import { assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { keyOf } from "../../../src/internal/packets/packetHeader.ts"
import { resetLength, resetTokenKey, statelessReset } from "../../../src/internal/packets/statelessReset.ts"

const token = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i)

describe("the stateless reset of a packet", () => {
  it("is shorter than the packet and never long, and there is none for one that no peer of this side sends", () => {
    for (let length = 0; length <= 65_535; length++) {
      const reset = resetLength(length)
      if (length < 41) assert.isUndefined(reset, String(length))
      else assert.strictEqual(reset, Math.min(length - 1, 43), String(length))
    }
  })

  it("looks like any packet with a short header, and ends with the token", () => {
    const bits = new Set<number>()
    const heads = new Set<string>()
    for (let i = 0; i < 1_000; i++) {
      const packet = statelessReset(token, 42)
      assert.strictEqual(packet.length, 42)
      assert.strictEqual(packet[0]! & 0xc0, 0x40)
      assert.deepStrictEqual(packet.subarray(-16), token)
      bits.add(packet[0]!)
      heads.add(keyOf(packet.subarray(1, 26)))
    }
    assert.strictEqual(bits.size, 64)
    assert.strictEqual(heads.size, 1_000)
  })
})

describe("the token of a packet", () => {
  it("is its end, if it is long enough for a reset", () => {
    assert.strictEqual(resetTokenKey(Uint8Array.of(0x40, 1, 2, 3, 4, ...token)), keyOf(token))
    assert.isUndefined(resetTokenKey(Uint8Array.of(0x40, 1, 2, 3, ...token)))
    assert.isUndefined(resetTokenKey(new Uint8Array(0)))
    const long = randomBytes(1_200)
    assert.strictEqual(resetTokenKey(long), keyOf(long.subarray(-16)))
  })
})
