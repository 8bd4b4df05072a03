/**
 * What `npm run check:circles` finds.
 */
import { assert, describe, it } from "vitest"

type Graph = ReadonlyMap<string, ReadonlyArray<string>>

const { circlesOf, foldersOf, importsOf, problemsOf } = (await import(
  new URL("../../../scripts/circles.mjs", import.meta.url).href
)) as {
  readonly importsOf: (files: Readonly<Record<string, string>>) => Graph
  readonly foldersOf: (graph: Graph, base: string) => Graph
  readonly circlesOf: (graph: Graph) => ReadonlyArray<ReadonlyArray<string>>
  readonly problemsOf: (
    graph: Graph,
    allowed: ReadonlyArray<{ readonly from: string; readonly to: string; readonly reason: string }>,
    what?: string
  ) => ReadonlyArray<string>
}

const graph = (edges: string): Graph => {
  const found = new Map<string, Array<string>>()
  for (const [from, to] of edges.split(" ").map((edge) => edge.split(">") as [string, string])) {
    found.set(from, [...(found.get(from) ?? []), to])
    found.set(to, found.get(to) ?? [])
  }
  return found
}

describe("circles of imports", () => {
  it.each<[how: string, source: string]>([
    ["values", `import { b } from "./b.ts"`],
    ["a module", `import * as b from "./b.ts"`],
    ["nothing", `import "./b.ts"`],
    ["types", `import type { B } from "./b.ts"`],
    ["types among values", `import { type B } from "./b.ts"`],
    ["a type in place", `export type A = import("./b.ts").B`],
    ["a module at run time", `export const b = () => import("./b.ts")`],
    ["an export of values", `export { b } from "./b.ts"`],
    ["an export of types", `export type { B } from "./b.ts"`],
    ["an export of all", `export * from "./b.ts"`],
    ["an export of a namespace", `export * as b from "./b.ts"`],
    ["a module by the package's name", `import { b } from "@qp2p/p/b"`]
  ])("sees an import of %s", (_, source) => {
    const files = {
      "packages/p/package.json": `{ "name": "@qp2p/p" }`,
      "packages/p/src/a.ts": `/** A. */\n${source}\n`,
      "packages/p/src/b.ts": `import type { A } from "./a.ts"\nimport { readFileSync } from "node:fs"\n`
    }
    const imports = importsOf(files)
    assert.deepStrictEqual(
      [...imports],
      [
        ["packages/p/src/a.ts", ["packages/p/src/b.ts"]],
        ["packages/p/src/b.ts", ["packages/p/src/a.ts"]]
      ]
    )
    assert.lengthOf(problemsOf(imports, []), 1)
  })

  it("sees circles across packages and folders", () => {
    const files = {
      "packages/p/package.json": `{ "name": "@qp2p/p" }`,
      "packages/q/package.json": `{ "name": "@qp2p/q" }`,
      "packages/p/src/index.ts": `export * from "./internal/a.ts"`,
      "packages/p/src/internal/a.ts": `import { b } from "@qp2p/q/deep/b"`,
      "packages/q/src/deep/b.ts": `import * as p from "@qp2p/p"`
    }
    assert.deepStrictEqual(circlesOf(importsOf(files)), [
      ["packages/p/src/index.ts", "packages/p/src/internal/a.ts", "packages/q/src/deep/b.ts"]
    ])
  })

  it.each<[edges: string, circles: ReadonlyArray<ReadonlyArray<string>>]>([
    ["a>b b>c a>c", []],
    ["a>b b>a", [["a", "b"]]],
    ["a>a", [["a"]]],
    ["a>b b>c c>a c>d d>e", [["a", "b", "c"]]],
    [
      "a>b b>a b>c c>d d>c",
      [
        ["a", "b"],
        ["c", "d"]
      ]
    ],
    ["a>b b>c c>b c>a", [["a", "b", "c"]]]
  ])("finds those in %s", (edges, circles) => {
    assert.deepStrictEqual(circlesOf(graph(edges)), circles)
  })

  it("sees folders that import each other, though no files do", () => {
    const files = graph(
      "x/in/a/1>x/in/b/1 x/in/b/2>x/in/a/2 x/in/b/2>x/in/b/1 x/in/c/deep/1>x/in/a/1 x/in/a/1>x/in/0 x/0>x/in/c/1"
    )
    assert.deepStrictEqual(circlesOf(files), [])
    const folders = foldersOf(files, "x/in/")
    assert.deepStrictEqual([...folders].toSorted(), [
      ["x/in/a", ["x/in/b"]],
      ["x/in/b", ["x/in/a"]],
      ["x/in/c", ["x/in/a"]]
    ])
    assert.deepStrictEqual(problemsOf(folders, [], "folders"), [
      "2 folders import each other in a circle:\n  x/in/a -> x/in/b\n  x/in/b -> x/in/a"
    ])
  })

  it("lets a circle pass whose import is allowed, for a reason, and while it closes one", () => {
    const [circle, line] = [graph("a>b b>a b>c"), graph("a>b b>c")]
    const reason = "Types only."
    assert.deepStrictEqual(problemsOf(circle, []), ["2 files import each other in a circle:\n  a -> b\n  b -> a"])
    assert.deepStrictEqual(problemsOf(circle, [{ from: "b", to: "a", reason }]), [])
    assert.deepStrictEqual(problemsOf(circle, [{ from: "b", to: "a", reason: " " }]), [
      "This import is allowed without a reason: b -> a"
    ])
    assert.deepStrictEqual(problemsOf(line, [{ from: "b", to: "a", reason }]), [
      "This import is allowed and closes no circle: b -> a"
    ])
    // Another circle by the same file.
    assert.lengthOf(problemsOf(graph("a>b b>a b>c c>b"), [{ from: "b", to: "a", reason }]), 1)
  })

  it("lets imports from a folder pass, and none from beside it", () => {
    const entry = { from: "in/", to: "a", reason: "Types only." }
    assert.deepStrictEqual(problemsOf(graph("a>in/b in/b>a in/b>in/c in/c>a"), [entry]), [])
    assert.lengthOf(problemsOf(graph("a>in/b in/b>in/c in/c>in/b in/b>a"), [entry]), 1)
    assert.lengthOf(problemsOf(graph("a>in/b in/b>a a>inn inn>a"), [entry]), 1)
  })
})
