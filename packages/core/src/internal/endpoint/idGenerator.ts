/** Makes the function that derives connection ids, which falls back to addresses when the program's function fails. */
import type * as NetAddress from "effect/net/NetAddress"
import { type ConnectionId, fromAddress } from "../../ConnectionId.ts"
import { show } from "../arguments.ts"

/** Derives the id of a peer from its address. */
type IdGenerator = (peer: NetAddress.InetAddress) => ConnectionId

/** Wraps the program's function. When that throws or returns no string, the address gives the id, with one warning. */
export const idGenerator = (generate: IdGenerator, warn: (warning: string) => void): IdGenerator => {
  if (generate === fromAddress) return generate
  let warned = false
  return (peer) => {
    let made: unknown
    try {
      made = generate(peer)
      if (typeof made === "string") return made as ConnectionId
    } catch (error) {
      made = error
    }
    if (!warned) warn(`ConnectionId must make a string, got ${show(made)}: peers are named by their addresses instead`)
    warned = true
    return fromAddress(peer)
  }
}
