// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { codeOf, decodeReason, encodeReason, untraced } from "../../../src/internal/binding/errorCodes.ts"

const largest = Number.MAX_SAFE_INTEGER

describe("ErrorCode.clamp", () => {
  it("leaves every code that a number holds exactly", () => {
    for (const code of [0, 1, 7, 0xffffffff, 2 ** 40, largest]) assert.strictEqual(ErrorCode.clamp(code), code)
  })

  it("brings every other number into the range that does not abort the process", () => {
    for (const code of [-1, -0.5, -(2 ** 70), Number.NaN, -Infinity]) assert.strictEqual(ErrorCode.clamp(code), 0)
    for (const code of [2 ** 53, 2 ** 62 - 1, 2 ** 62, 2 ** 63, 2 ** 64, 1e300])
      assert.strictEqual(ErrorCode.clamp(code), largest)
    assert.strictEqual(ErrorCode.clamp(2.9), 2)
    fc.assert(
      fc.property(fc.double(), (code) => {
        const clamped = ErrorCode.clamp(code)
        assert.isTrue(Number.isSafeInteger(clamped) && clamped >= 0 && !Object.is(clamped, -0), `${clamped}`)
      })
    )
  })
})

describe("codeOf", () => {
  it("reads the code out of the binding's messages", () => {
    assert.strictEqual(codeOf(new Error("StreamStopped(7)"), "StreamStopped"), 7)
    assert.strictEqual(codeOf(new Error("StreamReset(0)"), "StreamReset"), 0)
    assert.strictEqual(codeOf(new Error(`StreamReset(${2n ** 62n - 1n})`), "StreamReset"), largest)
  })

  it("tells the kinds apart, and from everything else", () => {
    assert.isUndefined(codeOf(new Error("StreamReset(7)"), "StreamStopped"))
    assert.isUndefined(codeOf(new Error("StreamStopped(7)"), "StreamReset"))
    for (const other of [new Error("InvalidStreamState(4)"), new Error("Done"), "StreamReset(7)", undefined, null, 7]) {
      assert.isUndefined(codeOf(other, "StreamReset"))
    }
  })
})

describe("encodeReason", () => {
  it("leaves reasons of up to 1,000 bytes", () => {
    for (const reason of ["", "no", "é", "x".repeat(1_000), "é".repeat(500), "😀".repeat(250)]) {
      assert.strictEqual(decodeReason(encodeReason(reason)), reason)
    }
  })

  it("cuts longer ones at a character, near 1,000 bytes: the binding would never send them", () => {
    for (const character of ["x", "é", "€", "😀", "👩‍🚀"]) {
      for (let lead = 0; lead < 8; lead++) {
        const reason = "a".repeat(lead) + character.repeat(1_200)
        const encoded = encodeReason(reason)
        assert.isAtMost(encoded.length, 1_000)
        assert.isAtLeast(encoded.length, 990)
        const decoded = decodeReason(encoded)
        assert.isTrue(reason.startsWith(decoded), `${lead} ${character}: …${decoded.slice(-3)}`)
      }
    }
  })

  it("never makes more than 1,000 bytes, of any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 3_000 }), (reason) => {
        assert.isAtMost(encodeReason(reason).length, 1_000)
      })
    )
  })
})

describe("decodeReason", () => {
  it("is lenient with bytes that are no text", () => {
    assert.strictEqual(decodeReason(Uint8Array.of(0x68, 0x69, 0xff)), "hi\ufffd")
  })
})

describe("decodeReason of a peer that says too much", () => {
  it("keeps 1,000 bytes, cut at a character", () => {
    const bytes = new TextEncoder().encode(`a${"\u{1f600}".repeat(15_000)}`)
    assert.strictEqual(decodeReason(bytes), `a${"\u{1f600}".repeat(249)}`)
    assert.strictEqual(decodeReason(new Uint8Array(60_000).fill(0x78)), "x".repeat(1_000))
  })

  it("keeps no more of bytes that are no text", () => {
    assert.strictEqual(decodeReason(new Uint8Array(60_000).fill(0x80)), "\ufffd".repeat(997))
  })
})

describe("untraced", () => {
  it("spares the errors their traces, and leaves those of others alone", () => {
    const limit = Error.stackTraceLimit
    assert.strictEqual(untraced(() => new Error("stopped")).stack, "Error: stopped")
    assert.throws(() =>
      untraced(() => {
        throw new Error("stopped")
      })
    )
    assert.strictEqual(Error.stackTraceLimit, limit)
  })
})
