import { assert, describe, it } from "@effect/vitest"
import { keyOf } from "../../../src/internal/packets/packetHeader.ts"
import { tokenOf, withToken } from "../../../src/internal/connection/peerTokens.ts"

const id = (number: number, length = 20) => new Uint8Array(length).fill(number)
const token = (number: number) => new Uint8Array(16).fill(0x80 + number)

/** The tokens after these ids, each with the one in use at the time. */
const after = (...steps: ReadonlyArray<readonly [issued: number, current: number]>) =>
  steps.reduce(
    (tokens, [issued, current]) =>
      withToken(tokens, id(current), Uint8Array.of(9, 9, ...id(issued), ...token(issued), 9), 2, 20),
    ""
  )

describe("the stateless reset tokens of a peer's ids", () => {
  it("are found by their ids, and there is none for an id without one", () => {
    const tokens = after([1, 0], [2, 1])
    assert.strictEqual(tokenOf(tokens, id(1)), keyOf(token(1)))
    assert.strictEqual(tokenOf(tokens, id(2)), keyOf(token(2)))
    assert.strictEqual(tokenOf(tokens, id(0)), "")
    assert.strictEqual(tokenOf("", id(0)), "")
    assert.strictEqual(tokenOf(tokens, id(1, 19)), "")
  })

  it("may be of ids of any length", () => {
    let tokens = withToken("", id(0), Uint8Array.of(1, ...token(1)), 0, 1)
    tokens = withToken(tokens, id(0), Uint8Array.of(...id(2, 8), ...token(2)), 0, 8)
    assert.strictEqual(tokenOf(tokens, Uint8Array.of(1)), keyOf(token(1)))
    assert.strictEqual(tokenOf(tokens, id(2, 8)), keyOf(token(2)))
  })

  it("are no more than the binding keeps ids: the oldest goes, and never the one in use", () => {
    const two = after([1, 0], [2, 0]).length
    let tokens = ""
    for (let i = 1; i <= 200; i++) {
      tokens = withToken(tokens, id(i - 1), Uint8Array.of(...id(i), ...token(i)), 0, 20)
      assert.isAtMost(tokens.length, two)
      assert.strictEqual(tokenOf(tokens, id(i)), keyOf(token(i)))
      if (i > 1) assert.strictEqual(tokenOf(tokens, id(i - 1)), keyOf(token(i - 1)))
    }
    const used = after([1, 1], [2, 1], [3, 1], [4, 1])
    assert.strictEqual(used.length, two)
    assert.strictEqual(tokenOf(used, id(1)), keyOf(token(1)))
    assert.strictEqual(tokenOf(used, id(4)), keyOf(token(4)))
  })

  it("are there once when an id comes again", () => {
    assert.strictEqual(after([1, 1], [1, 1], [1, 1]), after([1, 1]))
    assert.strictEqual(after([1, 1], [2, 1], [1, 1]).length, after([1, 1], [2, 1]).length)
  })
})
