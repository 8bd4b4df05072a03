/** What a tarball holds: the files that belong into it, and Markdown whose links resolve inside it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { deadLinks } from "./markdown.mjs"

/** What each package has for its users to read, beside its README. */
const guides = {
  "@qp2p/core": ["AGENTS.md", "docs/guide.md", "docs/guarantees.md", "docs/wire.md", "docs/coming-from-qp2p.md"],
  "@qp2p/node": ["AGENTS.md", "docs/platforms.md"],
  "@qp2p/testkit": ["AGENTS.md", "docs/testing.md"]
}

const documents = /^(?:README|AGENTS|CHANGELOG)\.md$|^docs\/[\w-]+\.md$/u

/** What is wrong with the contents of a packed package. */
export const contentProblems = ({ files, manifest, path }) => {
  const { name } = manifest
  const expected = ["LICENSE", "README.md", "package.json", ...(guides[name] ?? [])]
  const missing = expected.filter((file) => !files.includes(file)).map((file) => `${name}: no ${file}`)

  const strangers = files.flatMap((file) => {
    const module = /^dist\/(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/u.exec(file)?.[1]
    if (module !== undefined) {
      return files.includes(`src/${module}.ts`) ? [] : [`${name}: ${file} has no source; run "npm run clean" and build`]
    }
    const known = /^(?:LICENSE|package\.json|src\/.+\.ts)$/u.test(file) || documents.test(file)
    return known ? [] : [`${name}: ${file} does not belong into the package`]
  })

  // A packed file is the one of the folder.
  const read = (file) => readFileSync(join(path, file), "utf8")
  const links = files
    .filter((file) => file.endsWith(".md") && file !== "CHANGELOG.md")
    .flatMap((file) => deadLinks(file, files, read).map((link) => `${name}: ${file}: ${link} is not in the tarball`))
  return [...missing, ...strangers, ...links]
}
