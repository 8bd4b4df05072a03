/**
 * Every row of a table of docs/security.md that has a name, such as `I1`, has tests in the list below the table, each with its
 * file and title.
 */
import { assert, describe, it } from "vitest"
import { checkEvidence, testSource } from "./evidence.ts"
import { documents } from "./markdown.ts"

const path = "docs/security.md"

/** The rows with names, and the tests that are listed for each name. */
const parse = (prose: ReadonlyArray<string>) => {
  const rows: Array<string> = []
  const evidence = new Map<string, Array<{ readonly line: number; readonly text: string }>>()
  let listed: Array<{ readonly line: number; readonly text: string }> | undefined
  for (const [i, line] of prose.entries()) {
    const row = /^\| ([A-Z]\d+) +\|/u.exec(line)?.[1]
    const name = /^- ([A-Z]\d+)$/u.exec(line)?.[1]
    const test = /^ {2}- (.+)$/u.exec(line)?.[1]
    if (row !== undefined) rows.push(row)
    if (name !== undefined) evidence.set(name, (listed = evidence.get(name) ?? []))
    else if (test !== undefined) listed?.push({ line: i + 1, text: test })
    else listed = undefined
  }
  return { rows, evidence }
}

/** What is wrong with a document; the sources of test files come from `sourceOf`. */
const problemsOf = (prose: ReadonlyArray<string>, sourceOf: (file: string) => string | undefined) => {
  const { evidence, rows } = parse(prose)
  return [
    ...rows.filter((row, i) => rows.indexOf(row) !== i).map((row) => `there are two rows ${row}`),
    ...rows.filter((row) => (evidence.get(row)?.length ?? 0) === 0).map((row) => `no test is named for ${row}`),
    ...[...evidence.keys()].filter((name) => !rows.includes(name)).map((name) => `there is no row ${name}`),
    ...[...evidence.values()].flat().flatMap(({ line, text }) => {
      const problem = checkEvidence(path, text, sourceOf)
      return problem === undefined ? [] : [`${path}:${line}: ${problem}`]
    })
  ]
}

describe("docs/security.md", () => {
  const prose = documents.find((each) => each.path === path)?.prose ?? []

  it("names a test for each thing that is defended, and each of them is there", () => {
    assert.isAbove(parse(prose).rows.length, 30)
    assert.deepStrictEqual(problemsOf(prose, testSource), [])
  })

  it("is checked: rows without tests, tests without rows, and tests that are not there are noticed", () => {
    const row = (name: string) => `| ${name} | an attack | a defence |`
    const test = (title: string) => `  - [A](../packages/x/test/A.test.ts): ${title}`
    const source = (file: string) =>
      file === "packages/x/test/A.test.ts" ? 'it("a title of a test", () => {})' : undefined
    const check = (...lines: ReadonlyArray<string>) => problemsOf(lines, source)
    assert.deepStrictEqual(check(row("A1"), "", "- A1", test("a title of a test")), [])
    assert.deepStrictEqual(check(row("A1"), row("A2"), "", "- A1", test("a title of a test"), "- A2"), [
      "no test is named for A2"
    ])
    assert.deepStrictEqual(check(row("A1"), row("A1"), "", "- A1", test("a title of a test")), [
      "there are two rows A1"
    ])
    assert.deepStrictEqual(check("- A1", test("a title of a test")), ["there is no row A1"])
    assert.deepStrictEqual(check(row("A1"), "", "- A1", test("another title of one")), [
      `${path}:4: packages/x/test/A.test.ts has no test "another title of one"`
    ])
    // A list of its own is not that of the row before.
    assert.deepStrictEqual(check(row("A1"), "- A1", "", test("a title of a test")), ["no test is named for A1"])
  })
})
