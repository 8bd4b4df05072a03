/**
 * A peer whose handshake is real and whose 1-RTT packets are forged: any frames, any numbers, any order, from any port.
 */
import { randomBytes } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { configOf, quiche, serverName } from "./credentials.mjs"
import * as frames from "./frames.mjs"
import * as keys from "./keys.mjs"
import * as ports from "./port.mjs"
import { Sealer } from "./seal.mjs"

/** Bytes of frames that fit a packet of the usual path. */
export const room = 1_300

/** Milliseconds that a handshake may take. */
const patience = 20_000

/** The parent removes it. */
const directory = mkdtempSync(join(tmpdir(), "qp2p-hostile-"))
let made = 0

const buffer = new Uint8Array(65_535)

export class Peer {
  constructor(node, port, native, scid, keyLog) {
    this.node = node
    this.port = port
    this.native = native
    this.scid = scid
    this.keyLog = keyLog
    /** The number of the next forged packet: above those of the handshake. */
    this.number = 64
    /** While true, the binding answers the node as an honest peer does. */
    this.isHonest = true
    this.bytesHeard = 0
    /** Called after a packet that the binding has taken. */
    this.onHeard = undefined
    /** Called with a packet that the binding does not get. */
    this.onForged = undefined
    this.timer = undefined
  }

  /** Takes a packet of the node. */
  hear(bytes) {
    this.bytesHeard += bytes.length
    if (!this.isHonest) {
      this.onForged?.(bytes)
      return
    }
    const info = { from: this.node, to: { host: this.port.host, port: this.port.number } }
    try {
      this.native.recv(Uint8Array.from(bytes), info)
    } catch {
      // The connection shows what became of it.
    }
    this.onHeard?.()
    this.flush()
  }

  /** Sends what the binding has to send, and again when its timer says so. */
  flush() {
    clearTimeout(this.timer)
    for (let sent; (sent = this.native.send(buffer)) !== null;) this.port.send(buffer.slice(0, sent[0]), this.node)
    const timeout = this.native.timeout()
    if (timeout === null || !this.isHonest) return
    this.timer = setTimeout(() => {
      this.native.onTimeout()
      this.flush()
    }, timeout + 1)
  }

  /**
   * Resolves when the handshake is complete; from then on packets are forged, unless `honest` leaves them to the
   * binding.
   */
  async established(honest = false) {
    const limit = performance.now() + patience
    while (!this.native.isEstablished()) {
      if (this.native.isClosed() || performance.now() > limit) throw new Error("the node refused the handshake")
      await new Promise((resolve) => void setTimeout(resolve, 2))
    }
    if (honest) return this
    this.flush()
    this.isHonest = false
    clearTimeout(this.timer)
    this.dcid = Buffer.from(this.native.destinationId())
    this.sealer = new Sealer(keys.fromKeyLog(this.keyLog))
    return this
  }

  /** Forges a packet with the next number, or with `number`. */
  seal(payload, number = this.number++) {
    // Fewer bytes could not be sampled for header protection (RFC 9001, section 5.4.2).
    const padded = payload.length < 4 ? Buffer.concat([payload, Buffer.alloc(4 - payload.length)]) : payload
    return this.sealer.short(this.dcid, number, padded)
  }

  /** Forges a packet and sends it from the peer's own port, or from `port`. */
  send(payload, port = this.port) {
    port.send(this.seal(payload), this.node)
  }

  /** Closes the connection, as a peer does that leaves politely. */
  leave() {
    if (this.isHonest) this.native.close(true, 0, new Uint8Array(0))
    if (this.isHonest) this.flush()
    else this.send(frames.connectionClose(0))
  }

  /** Stops listening, without a word. */
  vanish() {
    this.isHonest = false
    clearTimeout(this.timer)
    this.port.connections.delete(this.scid.toString("latin1"))
  }
}

/**
 * Dials the node and sends the first flight. `port` is a port to share, else one of `host` is opened; `scid` is the id
 * that the node addresses the peer by.
 */
export const dial = async (node, { host, port, scid = randomBytes(20), maxPayload = 1_350, keyLog = true }) => {
  const own = port ?? (await ports.open(host))
  const config = await configOf(maxPayload)
  const local = { host: own.host, port: own.number }
  const native = quiche.Connection.connect(serverName, scid, local, node, config)
  const path = join(directory, `${made++}`)
  if (keyLog) native.setKeylog(path)
  const peer = new Peer(node, own, native, scid, path)
  own.connections.set(scid.toString("latin1"), peer)
  peer.flush()
  return peer
}

/** Dials the node and completes the handshake; see `dial`. With `honest`, the binding goes on and nothing is forged. */
export const connect = async (node, options) => (await dial(node, options)).established(options.honest)
