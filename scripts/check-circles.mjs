/** Fails when source files of the packages import each other in a circle, by types or by values: see `circles.mjs`. */
import { importsOf, problemsOf } from "./circles.mjs"
import { root } from "./process.mjs"
import { readTree } from "./sources.mjs"

/** The circles that may be there, each with its `files` and the `reason`. */
const allowed = []

const graph = importsOf(readTree(root))
const problems = problemsOf(graph, allowed)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
else
  console.log(
    `${graph.size} files: no circle of imports${allowed.length === 0 ? "" : ` but ${allowed.length} that are allowed`}.`
  )
