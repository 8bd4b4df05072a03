import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { longestText, printable, printableJson, replaceHidden } from "../src/Printable.ts"

/** What a text must not contain after it was made printable, in terms of its own: no property of Unicode is shared with the code. */
const names: ReadonlyArray<readonly [string, number]> = [
  ["NUL", 0x00],
  ["ESC", 0x1b],
  ["DEL", 0x7f],
  ["CSI", 0x9b],
  ["soft hyphen", 0xad],
  ["combining grapheme joiner", 0x34f],
  ["Arabic letter mark", 0x61c],
  ["Hangul choseong filler", 0x115f],
  ["Hangul jungseong filler", 0x1160],
  ["Khmer vowel inherent", 0x17b4],
  ["Mongolian vowel separator", 0x180e],
  ["zero-width space", 0x200b],
  ["zero-width joiner", 0x200d],
  ["left-to-right mark", 0x200e],
  ["line separator", 0x2028],
  ["paragraph separator", 0x2029],
  ["left-to-right embedding", 0x202a],
  ["right-to-left override", 0x202e],
  ["word joiner", 0x2060],
  ["invisible times", 0x2062],
  ["right-to-left isolate", 0x2067],
  ["pop directional isolate", 0x2069],
  ["nominal digit shapes", 0x206f],
  ["Braille blank", 0x2800],
  ["Hangul filler", 0x3164],
  ["lone high surrogate", 0xd800],
  ["lone low surrogate", 0xdfff],
  ["private use", 0xe000],
  ["variation selector", 0xfe0f],
  ["byte order mark", 0xfeff],
  ["halfwidth Hangul filler", 0xffa0],
  ["interlinear anchor", 0xfff9],
  ["object replacement", 0xfffc],
  ["noncharacter", 0xffff],
  ["hieroglyphic blank", 0x13441],
  ["null notehead", 0x1d159],
  ["shorthand format overlap", 0x1bca0],
  ["language tag", 0xe0001],
  ["tag letter A", 0xe0041],
  ["cancel tag", 0xe007f],
  ["variation selector 17", 0xe0100],
  ["supplementary private use", 0x100000]
]

describe("Printable", () => {
  it.each(names)("shows a %s as an escape, alone and between letters", (_, code) => {
    const character = String.fromCodePoint(code)
    const digits = code.toString(16).padStart(4, "0")
    const escape = digits.length > 4 ? `\\u{${digits}}` : `\\u${digits}`
    assert.strictEqual(printable(character), escape)
    assert.strictEqual(printable(`a${character}b`), `a${escape}b`)
    assert.strictEqual(replaceHidden(`a${character}${character}b`, "_"), "a_b")
  })

  it("leaves texts of people as they are", () => {
    for (const text of [
      "",
      "grüße 🙂",
      "日本語",
      "שלום",
      "हिन्दी",
      "a\u0308o\u0308",
      "Ça va\u00a0?",
      "C:\\path",
      "\ufffd"
    ]) {
      assert.strictEqual(printable(text), text)
    }
  })

  it("keeps a text on its line", () => {
    assert.strictEqual(printable("a\nb\r\tc"), "a\\nb\\r\\tc")
  })

  it("shows marks that stand on nothing, or are too many for one letter", () => {
    const acute = "\u0301"
    assert.strictEqual(printable(`${acute}a`), "\\u0301a")
    assert.strictEqual(printable(`a${acute.repeat(4)}b`), `a${acute.repeat(4)}b`)
    assert.strictEqual(printable(`a${acute.repeat(6)}b`), `a${acute.repeat(4)}\\u0301\\u0301b`)
  })

  it("cuts a long text and counts the rest, never inside an escape or a character", () => {
    assert.strictEqual(printable("x".repeat(longestText)), "x".repeat(longestText))
    assert.strictEqual(printable("x".repeat(longestText + 1)), `${"x".repeat(longestText)}... (1 more character)`)
    assert.strictEqual(printable("abcdef", 4), "abcd... (2 more characters)")
    assert.strictEqual(printable("abc\u202edef", 8), "abc... (4 more characters)")
    assert.strictEqual(printable("abc🙂def", 4), "abc... (5 more characters)")
  })

  it("escapes JSON, and does not change its value", () => {
    const value = { reason: "a\u202eb\u{e0041}c\u3164 grüße\n" }
    const json = printableJson(JSON.stringify(value))
    assert.strictEqual(json, '{"reason":"a\\u202eb\\udb40\\udc41c\\u3164 grüße\\n"}')
    assert.deepStrictEqual(JSON.parse(json), value)
  })

  it("is on one line, visible and bounded for every text, and does not change the second time", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.string({ maxLength: 300 }),
      fc
        .array(fc.constantFrom(...names.map(([, code]) => String.fromCodePoint(code)), "a", "\u0301", "\n"))
        .map((all) => all.join(""))
    )
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 400 }), (input, longest) => {
        const shown = printable(input, longest)
        assert.notMatch(shown, /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}]/u)
        assert.isAtMost(shown.length, longest + "... (1800 more characters)".length)
        assert.strictEqual(printable(shown, 5_000), shown)
      })
    )
  })
})
