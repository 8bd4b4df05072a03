/**
 * Decrypted packets as they lie in their buffers when the binding has taken them, and readers of their frames.
 */
import { connectionIdLength } from "../../src/internal/packets/connectionId.ts"
import { type FrameVisitor, walk } from "../../src/internal/packets/frames.ts"
import type { AcknowledgedPackets } from "../../src/internal/streams/acknowledgedPackets.ts"
import type { StopCodes } from "../../src/internal/streams/stopCodes.ts"

/** A packet with a short header: the lowest bytes of its number, its frames, and a tag of `tag` bytes. */
export const decrypted = (
  frames: Iterable<number>,
  options: { readonly number?: number; readonly numberLength?: number; readonly tag?: number } = {}
): Uint8Array => {
  const { number = 0xff, numberLength = 1, tag = 0x05 } = options
  return Uint8Array.from([
    0x40 | (numberLength - 1),
    ...Array.from({ length: connectionIdLength }, () => 7),
    ...Array.from({ length: numberLength }, (_, i) => Math.floor(number / 256 ** (numberLength - 1 - i)) % 256),
    ...frames,
    ...Array.from({ length: 16 }, () => tag)
  ])
}

/** A packet with a long header: an Initial packet, or a Handshake packet. */
export const decryptedLong = (
  kind: "Initial" | "Handshake",
  frames: ReadonlyArray<number>,
  options: {
    readonly numberLength?: number
    readonly dcid?: ReadonlyArray<number>
    readonly token?: ReadonlyArray<number>
  } = {}
): Uint8Array => {
  const { numberLength = 1, dcid = [1, 2, 3, 4, 5, 6, 7, 8], token = [] } = options
  const length = numberLength + frames.length + 16
  return Uint8Array.from([
    (kind === "Initial" ? 0xc0 : 0xe0) | (numberLength - 1),
    0,
    0,
    0,
    1,
    dcid.length,
    ...dcid,
    1,
    9,
    ...(kind === "Initial" ? [token.length, ...token] : []),
    0x40 | (length >> 8),
    length & 0xff,
    ...Array.from({ length: numberLength }, () => 7),
    ...frames,
    ...Array.from({ length: 16 }, () => 0x05)
  ])
}

const ignore = () => {}

/** A visitor that hears of some kinds of frames only. */
export const visitor = (some: Partial<FrameVisitor>): FrameVisitor => ({
  wantsAckRanges: false,
  onAckRange: ignore,
  onAck: ignore,
  onStop: ignore,
  onStream: ignore,
  onMaxStreamData: ignore,
  onCrypto: ignore,
  onHandshakeDone: ignore,
  onNewConnectionId: ignore,
  onControl: ignore,
  onDatagram: ignore,
  ...some
})

/** Hands the acknowledgements of a packet to `packets`. */
export const acknowledge = (packets: AcknowledgedPackets, packet: Uint8Array): void => {
  walk(packet, visitor({ onAck: (smallest, largest) => packets.acknowledged(smallest, largest) }))
}

/** Hands the stops of a packet to `codes`. */
export const stop = (codes: StopCodes, packet: Uint8Array): void => {
  walk(packet, visitor({ onStop: (id, code) => codes.add(id, code) }))
}
