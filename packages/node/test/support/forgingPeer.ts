/**
 * A client whose handshake is complete, and which makes its 1-RTT packets by hand (RFC 9001, section 5).
 */
import * as Effect from "effect/Effect"
import { createCipheriv, createHmac, randomBytes } from "node:crypto"
import { readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { rawClient, type RawConfig, type RawConnection } from "./nativePeers.ts"
import { until } from "./quicSockets.ts"

const expandLabel = (secret: Uint8Array, label: string, length: number): Buffer => {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.from([0, length, name.length, ...name, 0, 1])
  return createHmac("sha256", secret).update(info).digest().subarray(0, length)
}

/** The secret that the binding has written down, as its log of keys has it. */
const secretIn = (file: string): Uint8Array => {
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((each) => each.startsWith("CLIENT_TRAFFIC_SECRET_0 "))
  return Buffer.from(line!.split(" ")[2]!, "hex")
}

/** Connects to the server at `port`, and then sends no packet but those that a test makes. */
export const forgingPeer = Effect.fnUntraced(function* (port: number) {
  const log = join(tmpdir(), `qp2p-${randomBytes(8).toString("hex")}`)
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(log, { force: true })))
  const peer = yield* rawClient(port, {
    configure: (config) => (config as RawConfig & { logKeys(): void }).logKeys()
  })
  const native = peer.native as RawConnection & { setKeylog(path: string): void }
  native.setKeylog(log)
  peer.flush()
  yield* until("the handshake", () => native.isEstablished() && native.stats().recv > 3)
  const secret = secretIn(log)
  const key = expandLabel(secret, "quic key", 16)
  const iv = expandLabel(secret, "quic iv", 12)
  const headerKey = expandLabel(secret, "quic hp", 16)
  // None of its own packets is to come between.
  let number = 1_000
  const seal = (frames: Uint8Array): Uint8Array => {
    const header = Buffer.from([0x43, ...native.destinationId(), 0, 0, 0, 0])
    header.writeUInt32BE(number, header.length - 4)
    number += 1
    const nonce = Buffer.from(iv)
    for (let i = 0; i < 4; i++) nonce[8 + i]! ^= header[header.length - 4 + i]!
    const cipher = createCipheriv("aes-128-gcm", key, nonce)
    cipher.setAAD(header)
    const padded = Buffer.concat([frames, Buffer.alloc(Math.max(0, 4 - frames.length))])
    const packet = Buffer.concat([header, cipher.update(padded), cipher.final(), cipher.getAuthTag()])
    const mask = createCipheriv("aes-128-ecb", headerKey, null).update(
      packet.subarray(header.length, header.length + 16)
    )
    packet[0]! ^= mask[0]! & 0x1f
    for (let i = 0; i < 4; i++) packet[header.length - 4 + i]! ^= mask[1 + i]!
    return packet
  }
  return { peer, seal, send: (packet: Uint8Array) => peer.socket.send(packet, port) }
})

/** A STREAM frame with one byte at an offset. */
export const piece = (id: number, offset: number): ReadonlyArray<number> => [
  0x0e,
  0x40 | (id >> 8),
  id & 0xff,
  0x80,
  (offset >> 16) & 0xff,
  (offset >> 8) & 0xff,
  offset & 0xff,
  1,
  7
]
