/** Relative links of Markdown files: those of a tarball must lead to a file of that tarball. */
import { posix } from "node:path"

/** The lines outside of fenced blocks. */
const prose = (text) => {
  const lines = []
  let fence
  for (const line of text.split(/\r?\n/u)) {
    const [, mark] = /^\s*(`{3,})/u.exec(line) ?? []
    if (fence === undefined) {
      if (mark === undefined) lines.push(line)
      else fence = mark
    } else if (mark !== undefined && mark.length >= fence.length) fence = undefined
  }
  return lines
}

/** As code hosts make them. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/gu, "-")

const anchorsOf = (text) =>
  prose(text)
    .map((line) => /^#{1,6} (.+)$/u.exec(line)?.[1])
    .filter((heading) => heading !== undefined)
    .map(anchorOf)

const linksOf = (text) =>
  prose(text).flatMap((line) =>
    [...line.replaceAll(/`[^`]*`/gu, "").matchAll(/\]\(<?([^)\s>]+)|^\[[^\]]+\]:\s*(\S+)/gu)].map(
      ([, inline, reference]) => inline ?? reference
    )
  )

/**
 * The links of `file` that lead nowhere. `files` are the names in the tarball, `read` gives the text of one.
 */
export const deadLinks = (file, files, read) =>
  linksOf(read(file)).filter((link) => {
    if (/^[a-z][a-z+.-]*:/u.test(link)) return false
    const [target, anchor] = link.split("#")
    const path = target === "" ? file : posix.normalize(posix.join(posix.dirname(file), target))
    const isFolder = files.some((name) => name.startsWith(`${path.replace(/\/$/u, "")}/`))
    if (!files.includes(path) && !isFolder) return true
    return anchor !== undefined && !(files.includes(path) && anchorsOf(read(path)).includes(anchor))
  })
