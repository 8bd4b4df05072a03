/**
 * Fails when source files of the packages import each other in a circle, by types or by values, and when the folders inside
 * core or inside the QUIC driver do: see `circles.mjs`.
 */
import { foldersOf, importsOf, problemsOf } from "./circles.mjs"
import { root } from "./process.mjs"
import { readTree } from "./sources.mjs"

/** The imports that may close a circle. */
const allowed = [
  {
    from: "packages/core/src/internal/endpoint/",
    to: "packages/core/src/Endpoint.ts",
    reason: "Types only: the public module documents the service and the options that these files implement and take."
  },
  {
    from: "packages/core/src/ProtocolStream.ts",
    to: "packages/core/src/Connection.ts",
    reason: "Types only: a stream of a protocol names its connection, which opens such streams."
  },
  {
    from: "packages/core/src/internal/wire/",
    to: "packages/core/src/WireMessage.ts",
    reason: "Types only: the public module documents the messages that these files encode and decode."
  }
]

/** Folders whose own folders import from each other one way only. */
const layered = ["packages/core/src/internal/", "packages/node/src/internal/"]

const graph = importsOf(readTree(root))
const problems = [
  ...problemsOf(graph, allowed),
  ...layered.flatMap((base) => problemsOf(foldersOf(graph, base), [], "folders"))
]
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
else console.log(`${graph.size} files: no circle of imports but by ${allowed.length} that are allowed.`)
