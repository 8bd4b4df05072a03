/** Fails when a source file, an export or a member of a public type does not say what it is: see `docstrings.mjs`. */
import { problemsOf } from "./docstrings.mjs"
import { root } from "./process.mjs"
import { readTree } from "./sources.mjs"

const files = readTree(root)
const problems = problemsOf(files)
for (const problem of problems) console.error(problem)
if (problems.length > 0) {
  console.error(`\n${problems.length} docstrings are missing or incomplete: CONTRIBUTING.md says what each needs.`)
  process.exitCode = 1
} else {
  console.log(`${Object.keys(files).length} files: each says what it is, and so does each export.`)
}
