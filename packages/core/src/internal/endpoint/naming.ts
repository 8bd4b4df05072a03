/** Names peers with a namer of the program, and without it when it does not work. */
import type * as NetAddress from "effect/net/NetAddress"
import { type ConnectionId, fromAddress } from "../../ConnectionId.ts"
import { show } from "../arguments.ts"

type Namer = (peer: NetAddress.InetAddress) => ConnectionId

/** Names peers with a namer that the program provides. One that does not work must not cost it its connections. */
export const naming = (namer: Namer, warn: (warning: string) => void): Namer => {
  if (namer === fromAddress) return namer
  let warned = false
  return (peer) => {
    let made: unknown
    try {
      made = namer(peer)
      if (typeof made === "string") return made as ConnectionId
    } catch (error) {
      made = error
    }
    if (!warned) warn(`ConnectionId must make a string, got ${show(made)}: peers are named by their addresses instead`)
    warned = true
    return fromAddress(peer)
  }
}
