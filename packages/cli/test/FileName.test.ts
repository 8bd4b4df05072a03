import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { numbered, safeName } from "../src/FileName.ts"

/** Pieces that a name is made dangerous of, in any order and number. */
const piece = fc.constantFrom(
  "CON",
  "nul",
  ".",
  " ",
  "x",
  "_",
  "/",
  "\\",
  ":",
  "\u3164",
  "\u00a0",
  "\u0301",
  "ü",
  "a".repeat(90)
)
const hostileName = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string(),
  fc.constantFrom("../x", "..\\x"),
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""))
)

describe("FileName", () => {
  it.each([
    ["photo.jpg", "photo.jpg"],
    ["../../etc/passwd", "passwd"],
    ["/etc/shadow", "shadow"],
    ["C:\\Windows\\System32\\evil.dll", "evil.dll"],
    ["..", "file"],
    [".", "file"],
    ["", "file"],
    ["/", "file"],
    ["...", "file"],
    [" ", "file"],
    [".bashrc", "_bashrc"],
    ["a\0b.txt", "a_b.txt"],
    ["line\nbreak", "line_break"],
    ["\u001b[31mred", "_[31mred"],
    ["gpj.\u202eexe", "gpj._exe"],
    ["CON", "_CON"],
    ["nul.txt", "_nul.txt"],
    ["COM1.log", "_COM1.log"],
    ["com¹", "_com¹"],
    ["LPT³.txt", "_LPT³.txt"],
    ["con  .txt", "_con  .txt"],
    ["CONOUT$", "_CONOUT$"],
    ["com10.log", "com10.log"],
    ["file.txt:stream", "file.txt_stream"],
    ["console.log", "console.log"],
    ["what?.txt", "what_.txt"],
    ["trailing. . ", "trailing"],
    ["grüße 🙂.txt", "grüße 🙂.txt"],
    ["a\u061cb", "a_b"],
    ["\u115f\u1160\u2800\u3164\uffa0", "_"],
    ["a\u{e0041}\u{e007f}.txt", "a_.txt"],
    ["a\ufe0fb\u{e0100}c", "a_b_c"],
    ["soft\u00adhyphen", "soft_hyphen"],
    ["zero\u200bwidth\u2060", "zero_width_"],
    ["\ud800lone", "_lone"],
    ["\ue000private", "_private"],
    ["nbsp\u00a0and\u3000wide", "nbsp and wide"],
    ["photo.jpg\u3000", "photo.jpg"],
    ["a\u0308.txt", "ä.txt"],
    [`CON${" ".repeat(250)}x.txt`, "_CON.txt"]
  ])("%j becomes %j", (hostile, expected) => {
    assert.strictEqual(safeName(hostile), expected)
  })

  it("cuts a long name and keeps its extension", () => {
    const name = safeName(`${"ü".repeat(400)}.tar.gz`)
    assert.isTrue(name.endsWith(".gz"))
    assert.isAtMost(Buffer.byteLength(name), 200)
    assert.isAtLeast(Buffer.byteLength(name), 190)
  })

  it("ends in no space and no dot where it was cut, because Windows drops them", () => {
    assert.strictEqual(safeName(`${"a".repeat(199)} ${"b".repeat(190)}`), "a".repeat(199))
  })

  it("is one plain component for every input, and does not change the second time", () => {
    fc.assert(
      fc.property(hostileName, (hostile) => {
        const name = safeName(hostile)
        assert.notMatch(name, /[/\\\u0000-\u001f\u007f]/u)
        assert.notMatch(name, /^\.|[. ]$|^$/u)
        assert.notMatch(name, /[\p{C}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2800]/u)
        assert.isAtMost(Buffer.byteLength(name), 200)
        assert.strictEqual(name, name.normalize("NFC"))
        assert.strictEqual(safeName(name), name)
      })
    )
  })

  it("numbers before the extension", () => {
    assert.strictEqual(numbered("a.txt", 0), "a.txt")
    assert.strictEqual(numbered("a.txt", 2), "a (2).txt")
    assert.strictEqual(numbered("README", 1), "README (1)")
  })
})
