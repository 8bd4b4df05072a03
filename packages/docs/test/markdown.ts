/**
 * The Markdown files of the repository, taken apart.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../../", import.meta.url))

/** A fenced block. `line` is that of its first line of content, counted from 1. */
export interface Block {
  readonly language: string
  readonly code: string
  readonly line: number
}

export interface Document {
  /** Relative to the root of the repository. */
  readonly path: string
  readonly blocks: ReadonlyArray<Block>
  /** Everything outside of fenced blocks, line by line; the lines of blocks are empty. */
  readonly prose: ReadonlyArray<string>
}

const skipped = new Set(["node_modules", "dist", ".git", ".tsbuildinfo", "coverage"])

/** Every file of the repository, as paths relative to its root, with `/` on every system. */
export const files: ReadonlyArray<string> = readdirSync(root, { withFileTypes: true })
  .filter((entry) => !skipped.has(entry.name))
  .flatMap((entry) => (entry.isDirectory() ? walk(join(root, entry.name)) : [entry.name]))

function walk(directory: string): ReadonlyArray<string> {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !skipped.has(entry.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name)
      return entry.isDirectory() ? walk(path) : [relative(root, path).replaceAll("\\", "/")]
    })
}

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

const parse = (path: string): Document => {
  const blocks: Array<Block> = []
  const prose: Array<string> = []
  let open:
    | { readonly fence: string; readonly language: string; readonly line: number; code: Array<string> }
    | undefined
  for (const [i, line] of read(path).split(/\r?\n/u).entries()) {
    const fence = /^\s*(`{3,})\s*(\S*)/u.exec(line)
    if (open === undefined && fence === null) {
      prose.push(line)
      continue
    }
    prose.push("")
    if (open === undefined) {
      open = { fence: fence![1]!, language: fence![2]!, line: i + 2, code: [] }
    } else if (fence !== null && fence[1]!.length >= open.fence.length && fence[2] === "") {
      blocks.push({ language: open.language, code: open.code.join("\n"), line: open.line })
      open = undefined
    } else open.code.push(line)
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: the block does not end`)
  return { path, blocks, prose }
}

export const documents: ReadonlyArray<Document> = files
  .filter((file) => file.endsWith(".md") && !file.endsWith("CHANGELOG.md"))
  // A pending changeset is a sentence for a changelog.
  .filter((file) => !file.startsWith(".changeset/") || file === ".changeset/README.md")
  .map(parse)

/** Where `target` leads when `path` names it; relative to the root. */
export const resolve = (path: string, target: string): string =>
  posix.normalize(posix.join(dirname(path).replaceAll("\\", "/"), target))
