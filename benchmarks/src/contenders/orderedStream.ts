/**
 * Messages over one ordered stream of bytes, for contenders that have no other: a header of four bytes, then the message.
 * The receiving application confirms with the number of messages that it has, once for each batch of bytes that it read:
 * the cheapest way there is.
 */
import type { Link, MessageLoad, RequestLoad } from "../contender.ts"
import { checkAnswer, type Counter, payloadOf, timed } from "./counting.ts"

/** What is asked of a stream of bytes. */
export interface ByteStream {
  /** False when it would rather have no more until it has drained. The bytes are not changed afterwards. */
  readonly write: (bytes: Uint8Array) => boolean
  /** Writes several as one without copying them, where it can do that. */
  readonly writeAll?: (parts: ReadonlyArray<Uint8Array>) => boolean
  readonly onData: (receive: (chunk: Uint8Array) => void) => void
  readonly onDrain: (drained: () => void) => void
  /** The stream has ended, of itself or by an error. */
  readonly onEnd: (ended: (error: Error) => void) => void
  readonly close: () => Promise<void>
}

const headerLength = 4
const kinds = { message: 0, question: 1, answer: 2, confirmation: 3 } as const

/** Messages up to here are copied next to each other and written as one: a write costs more than the copy. */
const longestCopied = 16 << 10
const batchLength = 16 << 10

const writeHeader = (into: Buffer, at: number, kind: number, length: number): void => {
  into.writeUInt32LE(((kind << 28) | length) >>> 0, at)
}

const frameOf = (kind: number, body: Uint8Array): Buffer => {
  const frame = Buffer.allocUnsafe(headerLength + body.length)
  writeHeader(frame, 0, kind, body.length)
  frame.set(body, headerLength)
  return frame
}

/** Cuts a stream of bytes into frames. A frame that came whole is not copied. */
export class FrameReader {
  private readonly onFrame: (kind: number, body: Uint8Array) => void
  private readonly header = Buffer.alloc(headerLength)
  private headerFilled = 0
  private kind = 0
  private body: Buffer | undefined = undefined
  private filled = 0

  constructor(onFrame: (kind: number, body: Uint8Array) => void) {
    this.onFrame = onFrame
  }

  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.body === undefined) {
        at = this.readHeader(chunk, at)
      } else {
        const taken = Math.min(this.body.length - this.filled, chunk.length - at)
        this.body.set(chunk.subarray(at, at + taken), this.filled)
        this.filled += taken
        at += taken
        if (this.filled < this.body.length) return
        const { body } = this
        this.body = undefined
        this.onFrame(this.kind, body)
      }
    }
  }

  private readHeader(chunk: Uint8Array, from: number): number {
    let at = from
    while (this.headerFilled < headerLength && at < chunk.length) this.header[this.headerFilled++] = chunk[at++]!
    if (this.headerFilled < headerLength) return at
    this.headerFilled = 0
    const word = this.header.readUInt32LE(0)
    const length = word & 0xfffffff
    this.kind = word >>> 28
    if (chunk.length - at >= length) {
      this.onFrame(this.kind, chunk.subarray(at, at + length))
      return at + length
    }
    this.body = Buffer.allocUnsafeSlow(length)
    this.filled = 0
    return at
  }
}

/** The listening side of one stream. */
export const serve = (stream: ByteStream, counter: Counter): void => {
  let received = 0
  let confirmed = 0
  let answers: Array<Buffer> = []
  const reader = new FrameReader((kind, body) => {
    counter.take(body.length)
    if (kind === kinds.question) answers.push(frameOf(kinds.answer, body))
    else received += 1
  })
  stream.onData((chunk) => {
    reader.push(chunk)
    if (answers.length > 0) {
      stream.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers))
      answers = []
    }
    if (confirmed === received) return
    confirmed = received
    const confirmation = Buffer.allocUnsafe(headerLength + 8)
    writeHeader(confirmation, 0, kinds.confirmation, 8)
    confirmation.writeDoubleLE(received, headerLength)
    stream.write(confirmation)
  })
}

/** The dialling side of one stream. `closed` is called after the stream was, for what else there is to end. */
export const linkOver = (stream: ByteStream, closed: () => Promise<void> = async () => {}): Link => {
  let sent = 0
  let confirmed = 0
  let progress = () => {}
  let answered: (body: Uint8Array) => void = () => {}
  let failure: Error | undefined = undefined
  let fail = (_error: Error) => {}
  const reader = new FrameReader((kind, body) => {
    if (kind === kinds.answer) return answered(body)
    confirmed = Buffer.from(body.buffer, body.byteOffset, body.length).readDoubleLE(0)
  })
  stream.onData((chunk) => {
    reader.push(chunk)
    progress()
  })
  stream.onDrain(() => progress())
  stream.onEnd((error) => {
    failure = error
    fail(error)
  })

  const untilDone = <A>(start: (resolve: (value: A) => void, reject: (error: Error) => void) => void): Promise<A> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      fail = reject
      start(resolve, reject)
    })

  const messages = ({ count, inFlight, size }: MessageLoad): Promise<void> => {
    const body = payloadOf(size)
    const copied = size <= longestCopied
    const perBatch = Math.max(1, Math.floor(batchLength / (size + headerLength)))
    const last = sent + count

    const writeCopied = (n: number): boolean => {
      const batch = Buffer.allocUnsafeSlow(n * (headerLength + size))
      for (let i = 0, at = 0; i < n; i++, at += headerLength + size) {
        writeHeader(batch, at, kinds.message, size)
        batch.set(body, at + headerLength)
      }
      return stream.write(batch)
    }

    const writeLong = (): boolean => {
      if (stream.writeAll === undefined) return stream.write(frameOf(kinds.message, body))
      const header = Buffer.allocUnsafe(headerLength)
      writeHeader(header, 0, kinds.message, size)
      return stream.writeAll([header, body])
    }

    return untilDone<void>((resolve) => {
      let blocked = false
      progress = () => {
        blocked = false
        if (confirmed === last) return resolve()
        while (!blocked && sent < last && sent - confirmed < inFlight) {
          const n = copied ? Math.min(perBatch, last - sent, inFlight - (sent - confirmed)) : 1
          sent += n
          blocked = !(copied ? writeCopied(n) : writeLong())
        }
      }
      progress()
    })
  }

  const requests = ({ count, size }: RequestLoad): Promise<Float64Array> => {
    const question = payloadOf(size)
    progress = () => {}
    return timed(count, () =>
      untilDone<void>((resolve) => {
        answered = (answer) => {
          checkAnswer(answer, question)
          resolve()
        }
        stream.write(frameOf(kinds.question, question))
      })
    )
  }

  return {
    messages,
    requests,
    close: async () => {
      await stream.close()
      await closed()
    }
  }
}
