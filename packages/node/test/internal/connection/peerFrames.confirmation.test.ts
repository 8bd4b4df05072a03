/**
 * Packets that confirm a handshake, and packets that do not, as they lie decrypted in their buffers.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { PeerFrames } from "../../../src/internal/connection/peerFrames.ts"

const repeated = (byte: number, count: number): ReadonlyArray<number> => Array.from({ length: count }, () => byte)

const tag = repeated(0xaa, 16)
const id = repeated(0x1e, 20)

/** A 1-RTT packet with these frames, and with a packet number of so many bytes. */
const oneRtt = (frames: ReadonlyArray<number>, numberLength = 1): Uint8Array =>
  Uint8Array.from([0x40 | (numberLength - 1), ...id, ...repeated(7, numberLength), 0, 0, 0, ...frames, ...tag])

/** Whether the packet confirms the handshake of a connection that takes it. */
const confirmsHandshake = (packet: Uint8Array): boolean => {
  let confirmed = false
  const frames = new PeerFrames({
    native: {
      isDraining: () => false,
      isClosed: () => false,
      localError: () => null,
      stats: () => ({ recv: 1 })
    } as unknown as NativeConnection,
    dialled: true,
    acknowledged: { next: 10, acknowledged: () => {} },
    proof: { isPending: false, acknowledged: () => true },
    streams: { outgoing: { stopCodes: { add: () => {} } } },
    budget: { withoutData: () => {} },
    datagrams: { take: () => {} },
    onHandshakeConfirmed: () => (confirmed = true),
    onNewConnectionId: () => {}
  })
  frames.take(packet)
  return confirmed
}

const done = [0x1e]
const ack = [0x02, 9, 0x40, 0x50, 1, 3, 0, 2]
const ackWithEcn = [0x03, 9, 0, 0, 3, 1, 2, 3]

/** Frames of every other kind, with HANDSHAKE_DONE's type among their contents. */
const others: Record<string, ReadonlyArray<number>> = {
  padding: [0, 0, 0],
  ping: [0x01],
  resetStream: [0x04, 0x1e, 0x1e, 0x1e],
  stopSending: [0x05, 0x1e, 0x1e],
  crypto: [0x06, 0x1e, 3, 0x1e, 0x1e, 0x1e],
  newToken: [0x07, 2, 0x1e, 0x1e],
  stream: [0x0a, 0x1e, 2, 0x1e, 0x1e],
  streamWithOffset: [0x0f, 0x1e, 0x1e, 2, 0x1e, 0x1e],
  maxData: [0x10, 0x40, 0x1e],
  maxStreamData: [0x11, 0x1e, 0x1e],
  maxStreams: [0x12, 0x1e],
  maxStreamsUni: [0x13, 0x1e],
  dataBlocked: [0x14, 0x1e],
  streamDataBlocked: [0x15, 0x1e, 0x1e],
  streamsBlocked: [0x16, 0x1e],
  streamsBlockedUni: [0x17, 0x1e],
  newConnectionId: [0x18, 0x1e, 0x1e, 4, ...id.slice(0, 4), ...id.slice(0, 16)],
  retireConnectionId: [0x19, 0x1e],
  pathChallenge: [0x1a, ...id.slice(0, 8)],
  pathResponse: [0x1b, ...id.slice(0, 8)]
}

describe("a packet confirms the handshake", () => {
  it("with HANDSHAKE_DONE or an acknowledgement, anywhere in it", () => {
    for (const frames of [done, ack, ackWithEcn]) {
      for (const numberLength of [1, 2, 3, 4]) assert.isTrue(confirmsHandshake(oneRtt(frames, numberLength)))
      for (const [name, other] of Object.entries(others)) {
        assert.isTrue(confirmsHandshake(oneRtt([...other, ...frames, ...other])), name)
      }
      // A stream without a length is the last frame.
      assert.isTrue(confirmsHandshake(oneRtt([...frames, 0x08, 2, 0x1d, 0x1d])))
    }
  })
})

describe("a packet does not confirm the handshake", () => {
  it("without such a frame", () => {
    assert.isFalse(confirmsHandshake(oneRtt([])))
    for (const [name, other] of Object.entries(others)) assert.isFalse(confirmsHandshake(oneRtt(other)), name)
    assert.isFalse(confirmsHandshake(oneRtt([0x08, 2, 0x1e, 0x1e])))
  })

  it("that closes the connection, or has a frame that is not known", () => {
    for (const close of [
      [0x1c, 0, 0, 0],
      [0x1d, 4, 0],
      [0x32, 0x1e],
      [0x40, 0x32],
      [0xff, 0x1e]
    ]) {
      assert.isFalse(confirmsHandshake(oneRtt([...done, ...close])))
      assert.isFalse(confirmsHandshake(oneRtt([...ack, ...close, ...done])))
    }
  })

  it("whose frames do not end where it does", () => {
    assert.isFalse(confirmsHandshake(oneRtt([...done, 0x06, 0, 5, 1])))
    assert.isFalse(confirmsHandshake(oneRtt([...done, 0x0a, 0, 0x40])))
    assert.isFalse(confirmsHandshake(oneRtt([0x02, 9, 0, 0x7f, 0xff])))
    assert.isFalse(confirmsHandshake(oneRtt([...done, 0x18, 1, 0])))
  })

  it("of any length, or of zeros, and nothing throws", () => {
    for (let length = 0; length < 80; length++) {
      assert.isFalse(confirmsHandshake(new Uint8Array(length)))
      confirmsHandshake(new Uint8Array(length).fill(0x1e))
      confirmsHandshake(new Uint8Array(length).fill(0xff))
    }
  })
})
