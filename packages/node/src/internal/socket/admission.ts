/**
 * Admission of peers that dial: whether a packet that belongs to no connection makes one, is replied to, or is dropped.
 */
import { randomBytes } from "node:crypto"
import { CONNECTION_REFUSED } from "../binding/errorCodes.ts"
import { refusal } from "../packets/initialClose.ts"
import type { Quiche } from "../binding/native.ts"
import * as packetHeader from "../packets/packetHeader.ts"
import { randomId } from "../packets/connectionId.ts"
import type { IssuedId } from "../packets/idSupply.ts"
import * as retryToken from "../packets/retryToken.ts"
import { retryThreshold } from "../tunables/handshakes.ts"
import { minEndedKept } from "../tunables/places.ts"
import { minDatagramSize } from "../packets/datagramSize.ts"

/** The ids of a connection to be made. */
export interface Accepted {
  readonly _tag: "Accept"
  readonly scid: Uint8Array
  /** The stateless reset token of `scid`, if it has one. */
  readonly resetToken: bigint | undefined
  /** Set when the client came through a Retry. */
  readonly originalDcid: Uint8Array | undefined
  readonly clientDcid: Uint8Array
  /** The id that the client chose for itself. */
  readonly clientScid: Uint8Array
}

/** The decision on a packet: drop it, send `packet` in reply, or make a connection with these ids. */
export type Verdict = { readonly _tag: "Drop" } | { readonly _tag: "Reply"; readonly packet: Uint8Array } | Accepted

const drop: Verdict = { _tag: "Drop" }

/**
 * The client, and how much a socket has to do, as far as admission depends on it. All numbers are counts. Each is only read
 * when the verdict depends on it: most stray packets cost no look at the load.
 */
export interface Load {
  /** The client's address as text. */
  readonly client: string
  /** In milliseconds of Effect's clock. */
  readonly now: number
  /** Whether there is no place for another connection, and none that can be freed. */
  readonly isFull: boolean
  /** How many connections there may be. */
  readonly maxConnections: number
  /** How many connections count no more and have yet to send their close frame. */
  readonly ended: number
  /** How many of the open connections count against the client's IP address, and how many may. */
  readonly fromIp: number
  readonly maxFromIp: number
  /** How many incoming handshakes are under way. */
  readonly handshakes: number
  /**
   * Whether each client has to prove its address first: too many have only pretended to dial, or another gives up its place.
   */
  readonly needsRetry: boolean
  /** Whether the client's IP address has proven itself and pretended to dial too often. */
  readonly isExhausted: boolean
  /** Whether the unread bytes of the open connections, and of those of the client's IP address, leave no room for another. */
  readonly isBehind: boolean
}

/**
 * Decides on packets for no known connection by the load of the socket, and issues and verifies Retry tokens (RFC 9000,
 * section 8.1.2).
 */
export class Admission {
  private readonly tokens = retryToken.make()
  private readonly quiche: Quiche
  private readonly newId: () => IssuedId

  /** `newId` makes an id with a stateless reset token. */
  constructor(quiche: Quiche, newId: () => IssuedId) {
    this.quiche = quiche
    this.newId = newId
  }

  /** Judges a packet of `length` bytes that has a long header. */
  judge(length: number, header: packetHeader.LongHeader, load: Load): Verdict {
    // A small first datagram would have a larger reply, which serves amplification attacks (RFC 9000, section 14.1).
    if (length < minDatagramSize || header.version === 0) return drop
    if (header.version !== packetHeader.version1) {
      return { _tag: "Reply", packet: packetHeader.versionNegotiation(header, randomBytes(1)[0]!) }
    }
    // RFC 9000, section 7.2: a client's first destination id has at least 8 bytes.
    if (!header.initial || header.dcid.length < 8) return drop
    // Those that close cost memory too, for up to a second.
    if (load.ended >= Math.max(load.maxConnections, minEndedKept)) return drop
    const isFull = load.isFull || load.fromIp >= load.maxFromIp
    if (isFull || load.isBehind) {
      const reason = isFull ? "too many connections" : "too much is unread"
      return { _tag: "Reply", packet: refusal(header, randomId(), CONNECTION_REFUSED, reason) }
    }
    if (header.token.length > 0) {
      const originalDcid = this.tokens.verify(load.client, header.token, header.dcid, load.now)
      // The token is not from this socket, or too old: the client will try again without it.
      if (originalDcid === undefined || load.isExhausted) return drop
      // The id of the Retry packet stays in use: the client addresses it, and the transport parameters name it.
      const scid = header.dcid.slice()
      // The binding writes the transport parameters into 128 bytes: with the id of a Retry in them there is no room for a token.
      const ids = { scid, resetToken: undefined, originalDcid, clientDcid: scid }
      return { _tag: "Accept", ...ids, clientScid: header.scid.slice() }
    }
    // Under load a client first proves that it receives packets at its address.
    if (load.needsRetry || load.handshakes >= retryThreshold) {
      const newScid = randomId()
      const token = this.tokens.issue(load.client, header.dcid, newScid, load.now)
      const buffer = new Uint8Array(minDatagramSize)
      try {
        const length = this.quiche.retry(header.scid, header.dcid, newScid, token, packetHeader.version1, buffer)
        return { _tag: "Reply", packet: buffer.subarray(0, length) }
      } catch {
        return drop
      }
    }
    const { id, resetToken } = this.newId()
    return {
      _tag: "Accept",
      scid: id,
      resetToken,
      originalDcid: undefined,
      clientDcid: header.dcid.slice(),
      clientScid: header.scid.slice()
    }
  }
}
