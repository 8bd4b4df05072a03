/**
 * Answers packets of forgotten connections with stateless resets (RFC 9000, section 10.3): a process that restarts with its
 * key, on its port, ends the connections of its former life, and their peers dial again.
 *
 * Sockets of one process may have one key and one port, on different addresses. They make the same tokens, so none of them
 * answers for a connection of another: the reset would show the token of that connection to every host that sees it.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { PeerId } from "@qp2p/core/PeerId"
import { idOf } from "../packets/packetHeader.ts"
import type { ResetTokens } from "../packets/resetToken.ts"
import { resetLength, statelessReset } from "../packets/statelessReset.ts"
import { ipGroup } from "./ipGroup.ts"
import { ResetRate } from "./resetRate.ts"

/** The ids of a socket's connections, and of those that have ended a moment ago. */
interface Ids {
  readonly has: (key: string) => boolean
}

/** The ids of the sockets of this process, by key and port. */
const held = new Map<string, Set<Ids>>()

/** Sends the stateless resets of one socket. */
export class Resets {
  private readonly tokens: ResetTokens
  private readonly ids: Ids
  private readonly name: string
  private readonly now: () => number
  private readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  private readonly rate = new ResetRate()

  constructor(options: {
    readonly tokens: ResetTokens
    readonly ids: Ids
    /** The key and the port of the socket. */
    readonly peerId: PeerId
    readonly port: number
    /** Milliseconds of Effect's clock. */
    readonly now: () => number
    /** Sends a packet outside of any turn. */
    readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  }) {
    this.tokens = options.tokens
    this.ids = options.ids
    this.name = `${options.peerId} ${options.port}`
    this.now = options.now
    this.sendImmediate = options.sendImmediate
    const same = held.get(this.name)
    if (same === undefined) held.set(this.name, new Set([this.ids]))
    else same.add(this.ids)
  }

  /**
   * Answers a packet with a short header for an id of no connection of this socket's, unless it is too short, or there are too
   * many.
   */
  answer(packet: Uint8Array, key: string, address: () => NetAddress.InetAddress): void {
    const length = resetLength(packet.length)
    if (length === undefined || this.isHeld(key)) return
    const from = address()
    if (!this.rate.take(() => ipGroup(from.address), this.now())) return
    this.sendImmediate(statelessReset(this.tokens(idOf(key)), length), from)
  }

  /** The socket is closed. */
  close(): void {
    const same = held.get(this.name)
    same?.delete(this.ids)
    if (same?.size === 0) held.delete(this.name)
  }

  private isHeld(key: string): boolean {
    for (const ids of held.get(this.name) ?? []) if (ids.has(key)) return true
    return false
  }
}
