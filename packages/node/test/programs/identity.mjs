// Prints the id of the identity in a file, or why there is none.
import * as NodeIdentity from "@qp2p/node/NodeIdentity"
import * as Effect from "effect/Effect"

const [path] = process.argv.slice(2)

// Without a listener, a write beyond the limit of the shell's `ulimit -f` kills the process.
process.on("SIGXFSZ", () => {})

console.log(
  await Effect.runPromise(
    NodeIdentity.fromFile(path).pipe(
      Effect.map(({ peerId }) => peerId),
      Effect.catch(({ detail }) => Effect.succeed(detail))
    )
  )
)
