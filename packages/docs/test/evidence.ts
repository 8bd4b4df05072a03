/**
 * Tests that a document names: each by its file and its title.
 */
import { basename } from "node:path"
import { files, read, resolve } from "./markdown.ts"

/**
 * The titles of a file's tests, as patterns: what a template literal or `it.each` fills in may be anything. A title that
 * comes from a variable is not found, and neither is one that is skipped or commented out.
 */
const titlesOf = (source: string): ReadonlyArray<RegExp> => {
  const code = source.replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gmu, "")
  const call =
    /\bit(?:\.(?!skip|todo|fails)\w+)*(?:\((?:[^()]|\([^()]*\))*\))?\(\s*("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)/gu
  return [...code.matchAll(call)].map(([, title]) => patternOf(title!))
}

const patternOf = (literal: string): RegExp => {
  const constant = (part: string) => part.replaceAll(/\\(.)/gu, "$1").replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&")
  const parts = literal.slice(1, -1).split(literal.startsWith("`") ? /\$\{[^}]*\}/u : /%[sidj]/u)
  // Something must be left to tell it by.
  return parts.join("").length < 8 ? /^(?!)/u : new RegExp(`^${parts.map(constant).join(".+")}$`, "u")
}

/** Explains why `text`, in the document `path`, names no test. Returns undefined when it does: `[file](link): title`. */
export const checkEvidence = (
  path: string,
  text: string,
  sourceOf: (file: string) => string | undefined
): string | undefined => {
  const [, label, link, title] = /^\[([^\]]+)\]\(([^)\s]+)\): (.+)$/u.exec(text) ?? []
  if (label === undefined) return `not of the form [file](path): title: ${text}`
  const file = resolve(path, link!)
  const source = sourceOf(file)
  if (source === undefined) return `${file} is no test file`
  if (basename(file, ".test.ts") !== label) return `${label} is not the name of ${file}`
  return titlesOf(source).some((pattern) => pattern.test(title!)) ? undefined : `${file} has no test "${title}"`
}

/** The source of a test file of a package or an example, which tests may be named from. */
export const testSource = (file: string): string | undefined =>
  /^(?:packages|examples)\/\w+\/(?:test|interop)\/.*\.test\.ts$/u.test(file) && files.includes(file)
    ? read(file)
    : undefined
