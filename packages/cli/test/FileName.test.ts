import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { numbered, safeName } from "../src/FileName.ts"

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
    ["grüße 🙂.txt", "grüße 🙂.txt"]
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
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.constantFrom("../x", "..\\x")), (hostile) => {
        const name = safeName(hostile)
        assert.notMatch(name, /[/\\\u0000-\u001f\u007f]/u)
        assert.notMatch(name, /^\.|[. ]$|^$/u)
        assert.isAtMost(Buffer.byteLength(name), 200)
      })
    )
  })

  it("numbers before the extension", () => {
    assert.strictEqual(numbered("a.txt", 0), "a.txt")
    assert.strictEqual(numbered("a.txt", 2), "a (2).txt")
    assert.strictEqual(numbered("README", 1), "README (1)")
  })
})
