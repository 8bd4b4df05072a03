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

/** The view of the connection table. */
interface Ids {
  readonly withId: (key: string) => unknown
}

/** The tables of the sockets of this process, by key and port. */
const tables = new Map<string, Set<Ids>>()

/** Sends the stateless resets of one socket. */
export class Resets {
  private readonly tokens: ResetTokens
  private readonly table: Ids
  private readonly name: string
  private readonly now: () => number
  private readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  private readonly rate = new ResetRate()

  constructor(options: {
    readonly tokens: ResetTokens
    readonly table: Ids
    /** The key and the port of the socket. */
    readonly peerId: PeerId
    readonly port: number
    /** Milliseconds of Effect's clock. */
    readonly now: () => number
    /** Sends a packet outside of any turn. */
    readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  }) {
    this.tokens = options.tokens
    this.table = options.table
    this.name = `${options.peerId} ${options.port}`
    this.now = options.now
    this.sendImmediate = options.sendImmediate
    const same = tables.get(this.name)
    if (same === undefined) tables.set(this.name, new Set([this.table]))
    else same.add(this.table)
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
    const same = tables.get(this.name)
    same?.delete(this.table)
    if (same?.size === 0) tables.delete(this.name)
  }

  private isHeld(key: string): boolean {
    for (const table of tables.get(this.name) ?? []) if (table.withId(key) !== undefined) return true
    return false
  }
}
