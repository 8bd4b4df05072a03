/**
 * A relay on loopback that forwards what a client sends, and keeps the replies until a test opens it.
 */
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import { at } from "./quicSockets.ts"
import { udp } from "./udpPeers.ts"

export interface Gate {
  /** Where to dial the server. */
  readonly address: NetAddress.InetAddress
  /** Where the server sees whoever dials it here. */
  readonly seen: NetAddress.InetAddress
  /** How many answers wait. */
  readonly held: () => number
  /** Lets through what waits, and everything from now on. */
  readonly open: () => void
}

/** A shut gate for one client, in front of the server at `server`. */
export const gate = Effect.fnUntraced(function* (server: NetAddress.InetAddress) {
  const inside = yield* udp()
  const outside = yield* udp()
  const waiting: Array<Uint8Array> = []
  let client = 0
  let shut = true
  inside.onHeard = ({ bytes, port }) => {
    client = port
    outside.send(bytes, server.port)
  }
  outside.onHeard = ({ bytes }) => {
    if (shut) waiting.push(bytes)
    else inside.send(bytes, client)
  }
  const self: Gate = {
    address: at(inside.port),
    seen: at(outside.port),
    held: () => waiting.length,
    open: () => {
      shut = false
      for (const bytes of waiting.splice(0)) inside.send(bytes, client)
    }
  }
  return self
})
