/**
 * The command `qp2p id`: prints the id of this peer.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type CommandFailed, exitCodesHelp, fromError } from "../Failure.ts"
import * as OwnIdentity from "../OwnIdentity.ts"
import * as PeerFlags from "../PeerFlags.ts"

/**
 * Prints the id of the key in a file, which it makes when there is none. Without a file, it prints the id of a key that is
 * not kept, and says so on standard error.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (file: Option.Option<string>): Effect.fn.Return<void, CommandFailed> {
  const { peerId } = yield* Effect.mapError(OwnIdentity.fromFlag(file), fromError)
  yield* Console.log(peerId)
  if (Option.isNone(file)) yield* Console.error("this id is not kept: with --identity FILE it is the same each time")
})

/**
 * The command `id`.
 *
 * @stability unstable
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("id", { identity: PeerFlags.identity }, ({ identity }) => run(identity)).pipe(
  Command.withShortDescription("Print the id of this peer"),
  Command.withDescription(
    "Print the id of this peer, by which others dial it (ID@host:port) and let it in (--allow ID). It is the public key " +
      "that belongs to the key in the file; whoever has that file is this peer, so keep it private, and use it in one " +
      `process at a time.\n\n${exitCodesHelp}`
  ),
  Command.withExamples([
    { command: "qp2p id --identity node.key", description: "Print the id, and make the file if there is none" },
    { command: "qp2p node --identity node.key", description: "Be that peer" }
  ])
)
