/**
 * Any packet at all, as if it had been decrypted: the walk over its frames hears what a slow and careful reader hears.
 */
import { assert, describe, it } from "@effect/vitest"
import { framesEnd, framesStart, isPadding, walk } from "../../../src/internal/packets/frames.ts"
import { PacketNumberWindow } from "../../../src/internal/packets/packetNumberWindow.ts"
import { fuzz, holds, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"
import { visitor } from "../../support/frames.ts"

type Heard = ReadonlyArray<string | number | boolean>

/** Says that a packet ends within a frame, or that a frame ends it. */
class Ended {
  readonly _tag = "Ended"
}

/** Reads frames with whole numbers, and checks every byte (RFC 9000, section 19, and RFC 9221). */
class Reader {
  private readonly bytes: Uint8Array
  at: number
  private readonly end: number

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  skip(count: bigint | number): number {
    const at = this.at
    if (BigInt(at) + BigInt(count) > BigInt(this.end)) throw new Ended()
    this.at += Number(count)
    return at
  }

  byte(): number {
    return this.bytes[this.skip(1)]!
  }

  number(): bigint {
    const first = this.byte()
    let value = BigInt(first & 0x3f)
    for (let left = (1 << (first >> 6)) - 1; left > 0; left--) value = value * 256n + BigInt(this.byte())
    return value
  }

  get left(): number {
    return this.end - this.at
  }
}

/** The frames that have so many numbers and nothing else. */
const numbersOf: Partial<Record<number, number>> = {
  0x00: 0,
  0x01: 0,
  0x04: 3,
  0x10: 1,
  0x11: 2,
  0x12: 1,
  0x13: 1,
  0x14: 1,
  0x15: 2,
  0x16: 1,
  0x17: 1,
  0x1e: 0
}

/** Reads what follows the type of a frame, and the older ranges of an ACK. Numbers are rounded as in JavaScript. */
const readFrame = (type: number, reader: Reader, packet: Uint8Array, heard: Array<Heard>): Heard | undefined => {
  const numbers = numbersOf[type]
  if (numbers !== undefined) {
    for (let i = 0; i < numbers; i++) reader.number()
    return undefined
  }
  if (type === 0x02 || type === 0x03) {
    const largest = Number(reader.number())
    reader.number()
    const ranges = reader.number()
    const smallest = largest - Number(reader.number())
    for (let left = ranges, next = smallest - 2; left > 0n; left--) {
      const upper = next - Number(reader.number())
      const lower = upper - Number(reader.number())
      heard.push(["range", lower, upper])
      next = lower - 2
    }
    for (let left = type === 0x03 ? 3 : 0; left > 0; left--) reader.number()
    return ["ack", smallest, largest]
  }
  if (type === 0x05) return ["stop", Number(reader.number()), Number(reader.number())]
  if (type === 0x06) {
    const offset = Number(reader.number())
    const length = reader.number()
    reader.skip(length)
    return ["crypto", offset, Number(length)]
  }
  if (type === 0x07) {
    reader.skip(reader.number())
    return ["control", type]
  }
  if (type >= 0x08 && type <= 0x0f) {
    const id = Number(reader.number())
    const offset = (type & 4) === 0 ? 0 : Number(reader.number())
    const length = (type & 2) === 0 ? BigInt(reader.left) : reader.number()
    reader.skip(length)
    return ["stream", id, offset, Number(length), (type & 1) === 1]
  }
  if (type === 0x18) {
    const sequence = Number(reader.number())
    reader.number()
    const length = reader.byte()
    const at = reader.skip(length + 16)
    return ["id", sequence, ...packet.subarray(at, at + length + 16)]
  }
  if (type === 0x19) {
    reader.number()
    return ["control", type]
  }
  if (type === 0x1a || type === 0x1b) {
    reader.skip(8)
    return ["control", type]
  }
  if (type === 0x30 || type === 0x31) {
    const length = type === 0x30 ? BigInt(reader.left) : reader.number()
    reader.skip(length)
    return ["datagram", Number(length)]
  }
  throw new Ended()
}

/** What the careful reader hears, and how many frames there are; a run of padding counts as one. */
const readAll = (packet: Uint8Array) => {
  const heard: Array<Heard> = []
  const reader = new Reader(packet, framesStart(packet), framesEnd(packet))
  let frames = 0
  let wasPadding = false
  try {
    while (reader.left > 0) {
      // Padding in more bytes than one begins a run, and does not go on with one.
      const goesOn = wasPadding && packet[reader.at] === 0
      const type = Number(reader.number())
      // Older ranges are heard as they are read, also of an ACK that is truncated behind them.
      const frame = readFrame(type, reader, packet, heard)
      if (frame !== undefined) heard.push(frame)
      if (!goesOn) frames += 1
      wasPadding = type === 0
    }
  } catch (error) {
    if (!(error instanceof Ended)) throw error
  }
  return { heard, frames }
}

const walkAll = (packet: Uint8Array) => {
  const heard: Array<Heard> = []
  const end = framesEnd(packet)
  const hears = visitor({
    wantsAckRanges: true,
    onAckRange: (smallest, largest) => heard.push(["range", smallest, largest]),
    onAck: (smallest, largest) => heard.push(["ack", smallest, largest]),
    onStop: (id, code) => heard.push(["stop", id, code]),
    onStream: (id, offset, length, fin) => heard.push(["stream", id, offset, length, fin]),
    onCrypto: (offset, length) => heard.push(["crypto", offset, length]),
    onNewConnectionId: (sequence, bytes, at, length) => {
      holds(bytes === packet && at + length + 16 <= end, "an id and its token lie in the packet")
      heard.push(["id", sequence, ...bytes.subarray(at, at + length + 16)])
    },
    onControl: (type) => heard.push(["control", type]),
    onDatagram: (length) => heard.push(["datagram", length])
  })
  const frames = walk(packet, hears)
  return { heard, frames }
}

/** A packet whose first byte, number and frames are the input. Its tag may be any bytes: a truncated frame goes on into it. */
const packetOf = (input: Uint8Array, tag: number): Uint8Array =>
  Uint8Array.from([
    0x40 | ((input[0] ?? 0) & 0x3f),
    ...Array.from({ length: 20 }, () => 7),
    ...input.subarray(1),
    ...Array.from({ length: 16 }, () => tag)
  ])

const check = (input: Uint8Array): string =>
  [0x00, 0x40, 0xff].map((tag) => checkPacket(packetOf(input, tag))).join("; ")

const checkPacket = (packet: Uint8Array): string => {
  const careful = readAll(packet)
  const walked = walkAll(packet)
  assert.deepStrictEqual(walked.heard, careful.heard)
  holds(walked.frames <= packet.length, "no frame is shorter than a byte")
  assert.strictEqual(walked.frames, careful.frames)
  const frames = packet.subarray(framesStart(packet), Math.max(framesStart(packet), framesEnd(packet)))
  assert.strictEqual(
    isPadding(packet),
    frames.every((byte) => byte === 0)
  )
  const window = new PacketNumberWindow()
  if (packet.length >= 25) assert.deepStrictEqual([window.add(packet), window.add(packet)], [true, false])
  return `${[...new Set(walked.heard.map(([kind]) => kind))].join(", ")}; ${careful.frames > 4 ? "many" : careful.frames} frames`
}

describe("fuzzing the walk over frames", () => {
  it(
    "finds that any packet is heard as a slow and careful reader hears it",
    () =>
      fuzz({
        test: import.meta.url,
        format: "hex",
        tokens: Array.from({ length: 0x32 }, (_, type) => Uint8Array.of(type)),
        maxLength: 1_500,
        runs: 2_000,
        check
      }),
    timeout
  )
})
