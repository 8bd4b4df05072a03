/**
 * Which strangers get a connection: what a packet that belongs to none is answered with.
 */
import { randomBytes } from "node:crypto"
import { CONNECTION_REFUSED } from "../binding/errorCodes.ts"
import { refusal } from "../packets/initialClose.ts"
import type { Quiche } from "../binding/native.ts"
import * as packetHeader from "../packets/packetHeader.ts"
import { randomId } from "../packets/randomId.ts"
import * as retryToken from "../packets/retryToken.ts"
import * as tunables from "../tunables.ts"

export type Verdict =
  | { readonly _tag: "Drop" }
  | { readonly _tag: "Answer"; readonly packet: Uint8Array }
  /** Make a connection. */
  | {
      readonly _tag: "Accept"
      readonly scid: Uint8Array
      /** Set when the client came through a Retry. */
      readonly originalDcid: Uint8Array | undefined
      readonly clientDcid: Uint8Array
      /** The id that the client chose for itself. */
      readonly clientScid: Uint8Array
    }

const drop: Verdict = { _tag: "Drop" }

export interface Load {
  /** Connections that are not over, handshakes included, and how many there may be. */
  readonly connections: number
  readonly maxConnections: number
  /** Connections that are over and still kept for late packets. */
  readonly draining: number
  /** Of the client's address. */
  readonly fromIp: number
  readonly maxFromIp: number
  /** Incoming handshakes under way. */
  readonly handshakes: number
  /** Whether too much waits to be read on the connections that there are. */
  readonly isBehind: boolean
}

export class Admission {
  private readonly tokens = retryToken.make()
  private readonly quiche: Quiche

  constructor(quiche: Quiche) {
    this.quiche = quiche
  }

  /** `client` is the address that the packet came from, as text. */
  judge(packet: Uint8Array, client: string, now: number, load: Load): Verdict {
    // A short header without a connection: late, stray, or from before a restart.
    if (!packetHeader.isLongHeader(packet)) return drop
    // Small first datagrams are for amplification: the answers would be larger (RFC 9000, section 14.1).
    if (packet.length < tunables.minInitialLength) return drop
    const header = packetHeader.parseLongHeader(packet)
    if (header === undefined || header.version === 0) return drop
    if (header.version !== packetHeader.version1) {
      return { _tag: "Answer", packet: packetHeader.versionNegotiation(header, randomBytes(1)[0]!) }
    }
    // RFC 9000, section 7.2: a client's first destination id has at least 8 bytes.
    if (!header.initial || header.dcid.length < 8) return drop
    // Those that are over cost memory too, for a few round trips.
    if (load.draining >= Math.max(load.maxConnections, tunables.drainingAlways)) return drop
    const isFull = load.connections >= load.maxConnections || load.fromIp >= load.maxFromIp
    if (isFull || load.isBehind) {
      const reason = isFull ? "too many connections" : "too much is unread"
      return { _tag: "Answer", packet: refusal(header, randomId(), CONNECTION_REFUSED, reason) }
    }
    if (header.token.length > 0) {
      const originalDcid = this.tokens.verify(client, header.token, header.dcid, now)
      // A token that is not ours, or old: the client will try again without.
      if (originalDcid === undefined) return drop
      // The id of our Retry stays ours: the client addresses it, and its transport parameters name it.
      const scid = header.dcid.slice()
      return { _tag: "Accept", scid, originalDcid, clientDcid: scid, clientScid: header.scid.slice() }
    }
    // Under load a client first shows that it receives where it says it is.
    if (load.handshakes >= tunables.retryThreshold) {
      const newScid = randomId()
      const token = this.tokens.issue(client, header.dcid, newScid, now)
      const buffer = new Uint8Array(tunables.minInitialLength)
      try {
        const length = this.quiche.retry(header.scid, header.dcid, newScid, token, packetHeader.version1, buffer)
        return { _tag: "Answer", packet: buffer.subarray(0, length) }
      } catch {
        return drop
      }
    }
    return {
      _tag: "Accept",
      scid: randomId(),
      originalDcid: undefined,
      clientDcid: header.dcid.slice(),
      clientScid: header.scid.slice()
    }
  }
}
