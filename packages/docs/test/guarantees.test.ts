/**
 * Every promise in docs/guarantees.md is a bullet, and below it are the tests that show it, each with its file and title.
 */
import { assert, describe, it } from "vitest"
import { checkEvidence, testSource } from "./evidence.ts"
import { documents } from "./markdown.ts"

const path = "docs/guarantees.md"

interface Promised {
  readonly line: number
  readonly text: string
  readonly evidence: Array<{ readonly line: number; readonly text: string }>
}

/** The bullets of a document, and what stands between them that is neither a bullet nor a heading. */
const parse = (prose: ReadonlyArray<string>) => {
  const promises: Array<Promised> = []
  const strays: Array<string> = []
  let introduced = false
  for (const [i, text] of prose.entries()) {
    const line = i + 1
    const bullet = /^- (.+)$/u.exec(text)
    const below = /^ {2}- (.+)$/u.exec(text)
    if (text.startsWith("##")) introduced = true
    else if (bullet !== null) promises.push({ line, text: bullet[1]!, evidence: [] })
    else if (below !== null) promises.at(-1)?.evidence.push({ line, text: below[1]! })
    // The rest of a bullet is indented. The introduction promises nothing.
    else if (introduced && !/^(?: {2}\S.*)?$/u.test(text))
      strays.push(`${path}:${line}: a promise is a bullet: ${text}`)
  }
  return { promises, strays }
}

/** What is wrong with a document; the sources of test files come from `sourceOf`. */
const problemsOf = (prose: ReadonlyArray<string>, sourceOf: (file: string) => string | undefined) => {
  const { promises, strays } = parse(prose)
  return [
    ...strays,
    ...promises.flatMap(({ evidence, line, text }) =>
      evidence.length === 0
        ? [`${path}:${line}: no test is named for: ${text}`]
        : evidence.flatMap((each) => {
            const problem = checkEvidence(path, each.text, sourceOf)
            return problem === undefined ? [] : [`${path}:${each.line}: ${problem}`]
          })
    )
  ]
}

describe("docs/guarantees.md", () => {
  const document = documents.find((each) => each.path === path)

  it("promises something", () => {
    assert.isAbove(parse(document?.prose ?? []).promises.length, 30)
  })

  it("names a test for each promise, and each of them is there", () => {
    assert.deepStrictEqual(problemsOf(document?.prose ?? [], testSource), [])
  })
})

describe("this check", () => {
  const file = "packages/x/test/A.test.ts"
  const skip = "skip"
  const source = [
    'it("plain title, with (brackets)", () => {})',
    "  it.live(",
    '    "on a line of its own",',
    "it.effect(`with ${count} of ${names.join()} in it`, () => {})",
    'it.effect("says \\"quoted\\" things", () => {})',
    'it.each([1, f(2)])("number %i of them", () => {})',
    "it.effect(`${name} ${x}`, () => {})",
    `it.${skip}("skipped for now", () => {})`,
    `it.effect.${skip}("skipped as well", () => {})`,
    '// it("commented out", () => {})',
    'const other = "not a title"'
  ].join("\n")
  const check = (...lines: ReadonlyArray<string>) =>
    problemsOf(["# What", "An introduction.", "## One", ...lines], (each) => (each === file ? source : undefined)).map(
      (problem) => problem.slice(path.length + 1)
    )
  const named = (title: string) => `  - [A](../${file}): ${title}`

  it.each([
    "plain title, with (brackets)",
    "on a line of its own",
    "with 3 of many names in it",
    'says "quoted" things',
    "number 17 of them"
  ])("finds a test by its title: %s", (title) => {
    assert.deepStrictEqual(check("- Promised.", named(title)), [])
  })

  it.each([
    "plain title",
    "with 3 of many names",
    "anything at all",
    "skipped for now",
    "skipped as well",
    "commented out",
    "not a title"
  ])("does not take this for a test's title: %s", (title) => {
    assert.deepStrictEqual(check("- Promised.", named(title)), [`5: ${file} has no test "${title}"`])
  })

  it("sees promises without a test, and files that are not there", () => {
    assert.deepStrictEqual(
      check(
        "- Not shown",
        "  by anything.",
        "- Shown elsewhere.",
        "  - [B](../packages/x/test/B.test.ts): title",
        "  - [B](../packages/x/test/A.test.ts): title",
        "  - somewhere else",
        "A promise in passing."
      ),
      [
        "10: a promise is a bullet: A promise in passing.",
        "4: no test is named for: Not shown",
        "7: packages/x/test/B.test.ts is no test file",
        "8: B is not the name of packages/x/test/A.test.ts",
        "9: not of the form [file](path): title: somewhere else"
      ]
    )
  })
})
