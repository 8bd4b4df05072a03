/**
 * What `npm run check:docstrings` finds. Each wrong source differs from the right one by one thing.
 */
import { assert, describe, it } from "vitest"

const { problemsOf } = (await import(new URL("../../../scripts/docstrings.mjs", import.meta.url).href)) as {
  readonly problemsOf: (files: Readonly<Record<string, string>>) => ReadonlyArray<string>
}

const manifest = JSON.stringify({
  name: "@qp2p/p",
  exports: { ".": "./src/index.ts", "./internal/*": null, "./bin": null, "./*": "./src/*.ts" }
})

const right = `/**
 * Boxes that hold a number.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as inner from "./internal/inner.ts"

/** No export, so it needs no tags. */
const hidden = 1

/**
 * A box.
 *
 * Details can have any form:
 * - such as a list
 *
 * @category models
 * @since 0.1.0
 * @stability unstable
 */
export interface Box {
  readonly [Symbol.iterator]: () => Iterator<number>
  readonly _tag: "Box"
  /** The number in the box, 0 or more. */
  readonly content: number
  /** Empties the box. */
  clear(): void
}

/**
 * Makes a box.
 *
 * @category constructors
 * @since 0.1.0
 * @stability stable
 */
export function make(content: number): Box
export function make(content: string): Box
export function make(content: unknown): Box {
  return inner.make(content ?? hidden)
}

/**
 * A box with a lid.
 *
 * @category models
 * @since 0.1.0
 * @stability experimental
 */
export class Lidded extends inner.Base {
  #open = false
  private readonly lid = 1
  constructor() {
    super()
  }
  /** Opens the lid. */
  open(): void {
    this.#open = true
  }
  override get message() {
    return \`\${this.lid}\${this.#open}\`
  }
}

/**
 * Opens boxes.
 *
 * @category services
 * @since 0.1.0
 * @stability unstable
 */
export class Opener extends inner.Service<
  Opener,
  inner.Shared & {
    /** The number of boxes. */
    readonly count: number
  }
>()("Opener") {}

/**
 * How many sides a box has.
 *
 * @category constants
 * @since 0.1.0
 * @stability unstable
 */
export const sides = 6

/**
 * What a lid can be.
 *
 * @category models
 * @since 0.1.0
 * @stability unstable
 */
export type State = {
  /** Whether the lid is open. */
  readonly open: boolean
}

/**
 * The types of \`Lidded\`.
 *
 * @category models
 * @since 0.1.0
 * @stability unstable
 */
export declare namespace Lidded {
  /**
   * The key of a lid.
   *
   * @category models
   * @since 0.1.0
   * @stability unstable
   */
  type Key = string
}

export { Shared } from "./internal/inner.ts"
`

const inner = `/** What boxes are made of. */
import "../Box.ts"

/** Makes what it is given. */
export const make = (content: unknown): never => content as never

/**
 * A base.
 *
 * @category models
 * @since 0.1.0
 * @stability unstable
 */
export class Shared {}

// --- bases

/** A base without any rule of its own. */
export class Base {
  open = false
}

const hidden = 1
`

const problems = (replacements: Readonly<Record<string, string>>, path = "src/Box.ts"): ReadonlyArray<string> => {
  const files: Record<string, string> = {
    "packages/p/package.json": manifest,
    "packages/p/src/Box.ts": right,
    "packages/p/src/internal/inner.ts": inner,
    "packages/p/src/bin.ts":
      '#!/usr/bin/env node\n/** The command. */\nimport "./Box.ts"\n\n/** Runs. */\nexport const run = 1\n',
    "scripts/do.mjs": "/** Does it. */\nexport const it = 1\n"
  }
  for (const [was, is] of Object.entries(replacements)) {
    const key = path.startsWith("scripts") ? path : `packages/p/${path}`
    assert.include(files[key], was)
    files[key] = (files[key] ?? "").replace(was, () => is)
  }
  return problemsOf(files)
}

describe("docstrings", () => {
  it("lets right ones pass", () => {
    assert.deepStrictEqual(problems({}), [])
  })

  it.each<[what: string, was: string, is: string, name: string, problem: string]>([
    [
      "no sentence",
      " * A box.\n *\n * Details can have any form:\n * - such as a list\n *\n",
      "",
      "Box",
      "has no sentence"
    ],
    [
      "no docstring",
      "/**\n * How many sides a box has.\n *\n * @category constants\n * @since 0.1.0\n * @stability unstable\n */\n",
      "",
      "sides",
      "has no docstring"
    ],
    [
      "a small letter",
      "Makes a box.",
      "makes a box.",
      "make",
      "has a docstring that does not begin with a capital letter"
    ],
    [
      "no period",
      "Makes a box.",
      "Makes a box",
      "make",
      "has a docstring whose first paragraph does not end with a period"
    ],
    ["no stability", " * @stability experimental\n", "", "Lidded", "has no @stability"],
    [
      "another stability",
      "@stability experimental",
      "@stability solid",
      "Lidded",
      "has @stability solid, which is not stable, unstable, experimental"
    ],
    [
      "an empty stability",
      "@stability experimental",
      "@stability",
      "Lidded",
      "has @stability , which is not stable, unstable, experimental"
    ],
    [
      "two stabilities",
      "@stability experimental",
      "@stability stable\n * @stability unstable",
      "Lidded",
      "has more than one @stability"
    ],
    ["no category", " * @category constants\n", "", "sides", "has no @category"],
    ["an empty category", "@category constants", "@category", "sides", "has @category , which is not a name"],
    ["no since", " * @category constants\n * @since 0.1.0\n", " * @category constants\n", "sides", "has no @since"],
    [
      "no version",
      "constants\n * @since 0.1.0",
      "constants\n * @since now",
      "sides",
      "has @since now, which is not a version"
    ],
    ["a member of an interface", "  /** The number in the box, 0 or more. */\n", "", "Box.content", "has no docstring"],
    ["a method of an interface", "/** Empties the box. */", "", "Box.clear", "has no docstring"],
    ["a member of a class", "/** Opens the lid. */", "/** @internal */", "Lidded.open", "has no sentence"],
    ["a member of a service", "    /** The number of boxes. */\n", "", "Opener.count", "has no docstring"],
    [
      "a member of a type",
      "/** Whether the lid is open. */",
      "/** whether the lid is open. */",
      "State.open",
      "has a docstring that does not begin with a capital letter"
    ],
    ["a type in a namespace", "   * @category models\n", "", "Lidded.Key", "has no @category"],
    [
      "a comment that is no docstring",
      "/** Empties the box. */",
      "/* Empties the box. */",
      "Box.clear",
      "has no docstring"
    ],
    ["the module's sentence", "Boxes that hold a number.", "", "the file", "has no sentence"],
    [
      "the module's stability",
      " * @since 0.1.0\n * @stability unstable\n */\nimport",
      " * @since 0.1.0\n */\nimport",
      "the file",
      "has no @stability"
    ],
    [
      "the module's since",
      " * @since 0.1.0\n * @stability unstable\n */\nimport",
      " * @stability unstable\n */\nimport",
      "the file",
      "has no @since"
    ]
  ])("finds what an export lacks: %s", (_, was, is, name, problem) => {
    const found = problems({ [was]: is }).map((line) => line.replace(/^packages\/p\/src\/Box\.ts:\d+: /u, ""))
    assert.deepStrictEqual(found, [`${name} ${problem}`])
  })

  it("does not take the docstring of a file for that of its first export", () => {
    const found = problems({ [right]: right.slice(0, right.indexOf("import")) + "export const sides = 6\n" })
    assert.deepStrictEqual(found, ["packages/p/src/Box.ts:7: sides has no docstring"])
  })

  it("reports a fault once for an internal export that a public module lists", () => {
    const found = problems({ " * A base.\n *\n": "" }, "src/internal/inner.ts")
    assert.deepStrictEqual(found, ["packages/p/src/internal/inner.ts:12: Shared has no sentence"])
  })

  it("takes the docstring of a name in a list", () => {
    const docstring = "/**\n * Shared.\n *\n * @category models\n * @since 0.1.0\n * @stability unstable\n */"
    const files = { "export { Shared }": `export { ${docstring} Shared }` }
    assert.deepStrictEqual(problems(files), [])
    const without = { "export { Shared }": `export { ${docstring.replace(" * @since 0.1.0\n", "")} Shared }` }
    assert.lengthOf(problems(without), 1)
    assert.match(problems(without)[0] ?? "", /: Shared has no @since$/u)
  })

  it("follows an export from an internal file", () => {
    const found = problems({ " * @stability unstable\n": "" }, "src/internal/inner.ts")
    assert.deepStrictEqual(found, ["packages/p/src/internal/inner.ts:13: Shared has no @stability"])
  })

  it.each<[what: string, path: string, was: string, is: string, problem: string]>([
    ["no docstring", "src/internal/inner.ts", "/** Makes what it is given. */", "", "make has no docstring"],
    [
      "a comment that is no docstring",
      "src/internal/inner.ts",
      "/** Makes what it is given. */",
      "/* Makes what it is given. */",
      "make has no docstring"
    ],
    [
      "a small letter",
      "src/internal/inner.ts",
      "Makes what",
      "makes what",
      "make has a docstring that does not begin with a capital letter"
    ],
    [
      "no period",
      "src/internal/inner.ts",
      "of its own.",
      "of its own",
      "Base has a docstring whose first paragraph does not end with a period"
    ],
    ["tags alone", "src/internal/inner.ts", "Makes what it is given.", "@internal", "make has no sentence"],
    ["the program's main module", "src/bin.ts", "/** Runs. */\n", "", "run has no docstring"]
  ])("finds what an export of an internal module lacks: %s", (_, path, was, is, problem) => {
    const found = problems({ [was]: is }, path).map((line) => line.replace(/^packages\/p\/[\w/.]+:\d+: /u, ""))
    assert.deepStrictEqual(found, [problem])
  })

  it("asks for no tags, no docstrings of members and no docstrings of what is not exported in an internal module", () => {
    const own = "/** A part of a box. */\nexport interface Part {\n  readonly size: number\n}\n\nconst width = 1\n"
    assert.deepStrictEqual(problems({ "const hidden = 1\n": own }, "src/internal/inner.ts"), [])
  })

  it.each<[path: string, was: string]>([
    ["src/internal/inner.ts", "/** What boxes are made of. */"],
    ["src/bin.ts", "/** The command. */"],
    ["scripts/do.mjs", "/** Does it. */"]
  ])("finds a file that does not say what it is: %s", (path, was) => {
    const key = path.startsWith("scripts") ? path : `packages/p/${path}`
    assert.deepStrictEqual(problems({ [was]: "" }, path), [
      `${key}:1: the file has no docstring at its top that says what it is`
    ])
    assert.deepStrictEqual(problems({ [was]: `// ${was.slice(4, -3)}` }, path), [
      `${key}:1: the file has no docstring at its top that says what it is`
    ])
    assert.deepStrictEqual(problems({ [was]: "/** what. */" }, path), [
      `${key}:1: the file has a docstring that does not begin with a capital letter`
    ])
  })
})
