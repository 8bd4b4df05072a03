import { assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import * as retryToken from "../../../src/internal/packets/retryToken.ts"
import { retryTokenLifetime } from "../../../src/internal/tunables/handshakes.ts"

const hex = (input: Uint8Array | undefined) => (input === undefined ? undefined : Buffer.from(input).toString("hex"))

const client = "192.0.2.1 4433"
const now = 1_700_000_000_000

const setup = (length = 8) => {
  const tokens = retryToken.make()
  const original = new Uint8Array(randomBytes(length))
  const scid = new Uint8Array(randomBytes(20))
  return { tokens, original, scid, token: tokens.issue(client, original, scid, now) }
}

describe("retry tokens", () => {
  it("give back the original destination id, of any length that clients may choose", () => {
    for (let length = 8; length <= 20; length++) {
      const { original, scid, token, tokens } = setup(length)
      assert.strictEqual(hex(tokens.verify(client, token, scid, now)), hex(original))
    }
  })

  it("are valid for their lifetime, and not a millisecond longer", () => {
    const { original, scid, token, tokens } = setup()
    assert.strictEqual(hex(tokens.verify(client, token, scid, now + retryTokenLifetime)), hex(original))
    assert.isUndefined(tokens.verify(client, token, scid, now + retryTokenLifetime + 1))
  })

  it("are invalid before they were issued", () => {
    const { scid, token, tokens } = setup()
    assert.isUndefined(tokens.verify(client, token, scid, now - 1))
  })

  it("may be issued at a time with a fraction", () => {
    const { original, scid, tokens } = setup()
    const token = tokens.issue(client, original, scid, now + 0.75)
    assert.strictEqual(hex(tokens.verify(client, token, scid, now + 0.75)), hex(original))
  })

  it("are bound to the client's address and port", () => {
    const { scid, token, tokens } = setup()
    for (const other of ["192.0.2.2 4433", "192.0.2.1 4434", "192.0.2.1 443", ""]) {
      assert.isUndefined(tokens.verify(other, token, scid, now))
    }
  })

  it("are bound to the id that the Retry gave", () => {
    const { token, tokens } = setup()
    assert.isUndefined(tokens.verify(client, token, randomBytes(20), now))
  })

  it("are bound to the socket that issued them", () => {
    const { scid, token } = setup()
    assert.isUndefined(retryToken.make().verify(client, token, scid, now))
  })

  it("do not survive the change of any bit", () => {
    const { scid, token, tokens } = setup()
    for (let bit = 0; bit < token.length * 8; bit++) {
      const forged = token.slice()
      forged[bit >> 3] = forged[bit >> 3]! ^ (1 << (bit & 7))
      assert.isUndefined(tokens.verify(client, forged, scid, now), `bit ${bit}`)
    }
  })

  it("are refused without an exception, at every length", () => {
    const { scid, token, tokens } = setup()
    for (let length = 0; length <= 100; length++) {
      assert.isUndefined(tokens.verify(client, randomBytes(length), scid, now))
      if (length < token.length) assert.isUndefined(tokens.verify(client, token.slice(0, length), scid, now))
    }
    assert.isUndefined(tokens.verify(client, Buffer.concat([token, Uint8Array.of(0)]), scid, now))
  })

  it("do not let bytes wander between the original id, the new id and the client's address", () => {
    const { tokens } = setup()
    const original = new Uint8Array(9).fill(0x61)
    const scid = new Uint8Array(20).fill(0x61)
    const token = tokens.issue("aa", original, scid, now)
    assert.isDefined(tokens.verify("aa", token, scid, now))
    assert.isUndefined(tokens.verify("aaa", token, scid.subarray(1), now))
    assert.isUndefined(tokens.verify("a", token, new Uint8Array(21).fill(0x61), now))
    assert.isUndefined(tokens.verify("aaa", token.slice(0, -1), scid, now))
  })

  it("are read from where they lie in their packet", () => {
    const { original, scid, token, tokens } = setup()
    const packet = new Uint8Array(token.length + 20)
    packet.set(token, 13)
    const verified = tokens.verify(client, packet.subarray(13, 13 + token.length), scid, now)
    assert.strictEqual(hex(verified), hex(original))
  })
})
