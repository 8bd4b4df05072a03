/**
 * What a person can do when the other peer is not the expected one, or does not take this one.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { PeerId } from "@qp2p/core/PeerId"
import * as Predicate from "effect/Predicate"
import { CommandFailed, exitCodes, fromError, oneLine } from "./Failure.ts"

/** An expected error. */
interface Failure {
  readonly _tag: string
  readonly message: string
}

type PeerError = Extract<ConnectionError, { readonly _tag: "PeerMismatch" | "PeerRefused" | "PeerNotFound" }>

/**
 * The error about a peer's key in `error`: the error itself, or the one because of which a connection was lost.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const peerErrorOf = (error: Failure): PeerError | undefined => {
  const inner: unknown = error._tag === "ConnectionLost" && "reason" in error ? error.reason : error
  return isPeerError(inner) ? inner : undefined
}

const isPeerError = (error: unknown): error is PeerError =>
  Predicate.isTagged(error, "PeerMismatch") ||
  Predicate.isTagged(error, "PeerRefused") ||
  Predicate.isTagged(error, "PeerNotFound")

/**
 * The reason of a failure on one line, with whole ids. `self` is the id of this side.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const describe = (error: Failure, self: PeerId): string => {
  const problem = peerErrorOf(error)
  switch (problem?._tag) {
    case undefined:
      return oneLine(error.message === "" ? error._tag : error.message)
    case "PeerMismatch":
      return (
        `another peer answers at ${problem.address}: ${problem.actual}, not ${problem.expected}. Nothing was sent to it. ` +
        "A peer without --identity has a new id at each start"
      )
    case "PeerRefused":
      return problem.by === "Local"
        ? `${problem.peerId}@${problem.address} is not in --allow`
        : `${problem.peerId}@${problem.address} refuses this peer, ${self}: it may have an --allow list without that id. ` +
            "Without --identity, this peer has a new id each time"
    case "PeerNotFound":
      return `no address of the peer ${problem.peerId} is known: give it as ID@host:port`
  }
}

/**
 * Like `Failure.fromError`, with what can be done about an error that concerns a peer's key.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const explain =
  (self: PeerId) =>
  (error: Failure): CommandFailed =>
    peerErrorOf(error) === undefined
      ? fromError(error)
      : new CommandFailed({ detail: describe(error, self), exitCode: exitCodes.failed })
