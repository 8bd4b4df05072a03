/** One connection of the plain loop: streams in and out of the binding, and nothing that could be left out. */
import type { native } from "@matrixai/quic"
import type { Link, MessageLoad, RequestLoad } from "../../contender.ts"
import { checkAnswer, type Counter, payloadOf, timed } from "../counting.ts"
import type { PlainSocket } from "./socket.ts"

/** As in the library's frames: `version u16 = 1 | length u32 | flag u8 | reserved u16`, then the payload. */
const headerLength = 9

const frameOf = (payload: Uint8Array): Buffer => {
  const frame = Buffer.allocUnsafe(headerLength + payload.length)
  frame.writeUInt16BE(1, 0)
  frame.writeUInt32BE(payload.length, 2)
  frame[6] = 0
  frame.writeUInt16BE(0, 7)
  frame.set(payload, headerLength)
  return frame
}

const checkFrame = (frame: Buffer, length: number): void => {
  if (frame.readUInt16BE(0) !== 1 || frame[6] !== 0 || frame.readUInt32BE(2) !== length - headerLength) {
    throw new Error("bad frame")
  }
}

interface Sending {
  readonly id: number
  frame: Buffer | undefined
  offset: number
}

interface Parts {
  readonly chunks: Array<Buffer>
  length: number
}

interface Load {
  readonly count: number
  readonly inFlight: number
  readonly body: Uint8Array
  readonly done: () => void
  started: number
  confirmed: number
}

const scratch = Buffer.allocUnsafeSlow(1 << 17)

export class PlainConnection implements Link {
  readonly native: native.Connection
  readonly port: number
  readonly keys: Array<string> = []
  readonly pinned: { readonly from: native.Host; readonly to: native.Host }
  /** When the binding wants to be called, in `performance.now()` milliseconds. */
  deadline = Infinity
  touched = false
  heard = false
  onEstablished: (() => void) | undefined = undefined
  onGone: (() => void) | undefined = undefined
  private readonly socket: PlainSocket
  private readonly counter: Counter | undefined
  private readonly partial = new Map<number, Parts>()
  private readonly answering: Array<Sending> = []
  private flying: Array<Sending> = []
  private load: Load | undefined = undefined
  private answered: ((answer: Uint8Array) => void) | undefined = undefined
  private nextUni = 2
  private nextBidi = 0
  private readonly endsWithSocket: boolean

  /** Without `counter` it is the dialling side. */
  constructor(
    socket: PlainSocket,
    connection: native.Connection,
    peer: native.Host,
    counter: Counter | undefined,
    endsWithSocket: boolean
  ) {
    this.socket = socket
    this.native = connection
    this.port = peer.port
    this.pinned = { from: peer, to: socket.address }
    this.counter = counter
    this.endsWithSocket = endsWithSocket
  }

  readonly messages = ({ count, inFlight, size }: MessageLoad): Promise<void> =>
    new Promise((done) => {
      this.load = { count, inFlight, body: payloadOf(size), done, started: 0, confirmed: 0 }
      this.socket.touch(this)
    })

  readonly requests = ({ count, size }: RequestLoad): Promise<Float64Array> => {
    const question = payloadOf(size)
    return timed(
      count,
      () =>
        new Promise((resolve) => {
          this.answered = (answer) => {
            checkAnswer(answer, question)
            resolve()
          }
          this.answering.push({ id: this.nextBidi, frame: frameOf(question), offset: 0 })
          this.nextBidi += 4
          this.socket.touch(this)
        })
    )
  }

  readonly close = async (): Promise<void> => {
    this.socket.end(this)
    if (this.endsWithSocket) await this.socket.close()
  }

  /** Everything but the sending of packets, once for all packets of a turn. */
  turn(): void {
    if (this.onEstablished !== undefined && this.native.isEstablished()) {
      this.onEstablished()
      this.onEstablished = undefined
    }
    while (this.native.isReadable()) {
      for (const id of this.native.readable()) this.read(id)
    }
    this.answer()
    if (this.load !== undefined) this.carry(this.load)
    this.heard = false
  }

  private read(id: number): void {
    for (;;) {
      const result = this.native.streamRecv(id, scratch)
      if (result === null) return
      const [length, fin] = result
      let parts = this.partial.get(id)
      if (parts === undefined && fin) return this.deliver(id, scratch, length)
      if (parts === undefined) this.partial.set(id, (parts = { chunks: [], length: 0 }))
      parts.chunks.push(Buffer.from(scratch.subarray(0, length)))
      parts.length += length
      if (fin) {
        this.partial.delete(id)
        return this.deliver(id, Buffer.concat(parts.chunks, parts.length), parts.length)
      }
    }
  }

  private deliver(id: number, frame: Buffer, length: number): void {
    checkFrame(frame, length)
    // A frame in `scratch` is copied out; a reassembled one is ours already.
    const message =
      frame === scratch
        ? Uint8Array.prototype.slice.call(frame, headerLength, length)
        : frame.subarray(headerLength, length)
    if (this.counter === undefined) return this.answered?.(message)
    this.counter.take(message.length)
    if ((id & 2) === 0) this.answering.push({ id, frame: frameOf(message), offset: 0 })
  }

  private answer(): void {
    while (this.answering.length > 0) {
      const stream = this.answering[0]!
      this.write(stream)
      if (stream.frame !== undefined) return
      this.answering.shift()
    }
  }

  private carry(load: Load): void {
    if (this.heard) {
      const still: Array<Sending> = []
      for (const stream of this.flying) {
        if (stream.frame === undefined && this.native.streamFinished(stream.id)) load.confirmed += 1
        else still.push(stream)
      }
      this.flying = still
    }
    if (load.confirmed === load.count) {
      this.load = undefined
      return load.done()
    }
    for (const stream of this.flying) if (stream.frame !== undefined) this.write(stream)
    while (load.started < load.count && this.flying.length < load.inFlight) {
      const stream: Sending = { id: this.nextUni, frame: frameOf(load.body), offset: 0 }
      this.nextUni += 4
      load.started += 1
      this.flying.push(stream)
      this.write(stream)
    }
  }

  /** The end of a stream goes with its last bytes, never alone: the binding can lose it. */
  private write(stream: Sending): void {
    while (stream.frame !== undefined) {
      const rest = stream.offset === 0 ? stream.frame : stream.frame.subarray(stream.offset)
      const taken = this.native.streamSend(stream.id, rest, true)
      if (taken === null || taken === 0) return
      stream.offset += taken
      if (stream.offset < stream.frame.length) return
      stream.frame = undefined
    }
  }
}
