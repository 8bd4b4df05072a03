import { assert, describe, it } from "@effect/vitest"
import { hexToBytes } from "@noble/hashes/utils.js"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import * as Schema from "effect/Schema"
import { InvalidArgument } from "../src/InvalidArgument.ts"
import * as PeerId from "../src/PeerId.ts"

/** The public keys of RFC 8032, section 7.1, tests 1 and 2, in base32 of Python's standard library. */
const vectors: Readonly<Record<string, string>> = {
  d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a:
    "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkena",
  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c":
    "hvabpq7iioevvevxbktu2g36xsojqlgpf3cjndgazvk7ckxumyga"
}

const decode = Schema.decodeUnknownExit(PeerId.PeerId)

const problem = (input: unknown): string => {
  const exit = decode(input)
  assert.isTrue(Exit.isFailure(exit))
  return String(Exit.isFailure(exit) ? exit.cause : "")
}

/** A number of 32 bytes, little-endian, as the encoding of a point has it. */
const littleEndian = (y: bigint, sign = 0): Uint8Array => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => Number((y >> BigInt(8 * i)) & 0xffn))
  bytes[31]! |= sign << 7
  return bytes
}

const prime = 2n ** 255n - 19n

describe("the id of a public key", () => {
  for (const [key, id] of Object.entries(vectors)) {
    it(`${key.slice(0, 8)}… is ${id.slice(0, 10)}…, and back`, () => {
      assert.strictEqual(PeerId.fromPublicKey(hexToBytes(key)), id)
      assert.deepStrictEqual(PeerId.toPublicKey(PeerId.fromPublicKey(hexToBytes(key))), hexToBytes(key))
      assert.deepStrictEqual(decode(id), Exit.succeed(id as PeerId.PeerId))
      assert.strictEqual(PeerId.short(PeerId.fromPublicKey(hexToBytes(key))), id.slice(0, 10))
    })
  }

  it("has 52 characters, is accepted, and returns to the same key, for any key", () => {
    const keys = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(keys, (key) => {
        const id = PeerId.fromPublicKey(key)
        if ((id as unknown) instanceof InvalidArgument) return
        assert.match(id, /^[a-z2-7]{51}[aq]$/u)
        assert.deepStrictEqual(decode(id), Exit.succeed(id))
        assert.deepStrictEqual(PeerId.toPublicKey(id), key)
      })
    )
  })

  it("does not exist for keys of another length, and callers without types get an error for other values", () => {
    for (const key of [new Uint8Array(31), new Uint8Array(33), new Uint8Array(0), "key", null, undefined, [1]]) {
      assert.instanceOf(PeerId.fromPublicKey(key as never), InvalidArgument)
    }
    for (const id of ["", "x", null, undefined, 1, Object.values(vectors)[0]!.toUpperCase()]) {
      assert.instanceOf(PeerId.toPublicKey(id as never), InvalidArgument)
    }
    assert.instanceOf(PeerId.short(undefined as never), InvalidArgument)
  })

  it("does not exist for a point of small order, with either sign", () => {
    const ys = [
      0n,
      1n,
      prime - 1n,
      2707385501144840649318225287225658788936804267575313519463743609750303402022n,
      55188659117513257062467267217118295137698188065244968500265048394206261417927n
    ]
    for (const y of ys) {
      for (const sign of [0, 1]) assert.instanceOf(PeerId.fromPublicKey(littleEndian(y, sign)), InvalidArgument)
    }
  })

  it("does not exist for a second encoding of a key", () => {
    for (let y = prime; y < 2n ** 255n; y++) {
      for (const sign of [0, 1]) assert.instanceOf(PeerId.fromPublicKey(littleEndian(y, sign)), InvalidArgument)
    }
    assert.notInstanceOf(PeerId.fromPublicKey(littleEndian(prime - 2n)), InvalidArgument)
  })
})

describe("a text that is no id", () => {
  const [id] = Object.values(vectors)
  const cases: ReadonlyArray<readonly [input: unknown, says: RegExp]> = [
    ["", /has 52 characters, not 0/u],
    [`${id}a`, /has 52 characters, not 53/u],
    [` ${id!.slice(1)}`, /letters and the digits 2 to 7 only, not " "/u],
    [id!.toUpperCase(), /lower case/u],
    [`0${id!.slice(1)}`, /not "0"/u],
    [`${id!.slice(0, 30)}8${id!.slice(31)}`, /not "8"/u],
    [`${id!.slice(0, 51)}b`, /the last character of a peer's id is "a" or "q", not "b"/u],
    ["a".repeat(52), /small order/u],
    [1, /string/iu],
    [null, /string/iu]
  ]
  for (const [input, says] of cases) {
    it(`such as ${JSON.stringify(input)} is refused with the reason`, () => {
      assert.match(problem(input), says)
    })
  }

  it("differs from an id in its unused bits only", () => {
    const last = Array.from("abcdefghijklmnopqrstuvwxyz234567").filter((each) => {
      return Exit.isSuccess(decode(`${id!.slice(0, 51)}${each}`))
    })
    assert.deepStrictEqual(last, ["a", "q"])
  })
})

describe("verify", () => {
  it.effect("gives callers without types an error", () =>
    Effect.gen(function* () {
      const id = PeerId.fromPublicKey(hexToBytes(Object.keys(vectors)[0]!))
      const message = new Uint8Array(1)
      const wrong = [
        PeerId.verify("nobody" as never, message, message),
        PeerId.verify(id, "text" as never, message),
        PeerId.verify(id, message, null as never)
      ]
      for (const each of wrong)
        assert.instanceOf(yield* Effect.flip(each as Effect.Effect<boolean, unknown>), InvalidArgument)
    })
  )

  it.effect("is false for whatever is no signature, and for a key that is no point", () =>
    Effect.gen(function* () {
      const id = PeerId.fromPublicKey(hexToBytes(Object.keys(vectors)[0]!))
      for (const length of [0, 1, 63, 64, 65]) {
        assert.isFalse(yield* PeerId.verify(id, new Uint8Array(3), new Uint8Array(length)))
      }
      assert.isFalse(
        yield* PeerId.verify(PeerId.fromPublicKey(littleEndian(2n)), new Uint8Array(3), new Uint8Array(64))
      )
    })
  )
})
