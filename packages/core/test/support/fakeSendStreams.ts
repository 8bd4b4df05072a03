/**
 * A connection whose send streams get their turn, and end, when the test says so.
 */
import { assert } from "@effect/vitest"
import type { BackingConnection, BackingSendStream, StreamContent, StreamFailure } from "../../src/Transport.ts"
import * as WireMessage from "../../src/WireMessage.ts"

type Finish = (failure?: StreamFailure) => void

/** What the messages in `bytes` say, each by the first byte of its payload and its length. */
const contents = (bytes: Uint8Array): ReadonlyArray<readonly [number, number]> => {
  const decoder = new WireMessage.Decoder({ maxMessageSize: 1 << 20 })
  const messages: Array<WireMessage.WireMessage> = []
  assert.isUndefined(decoder.push(bytes, messages))
  assert.isUndefined(decoder.end())
  return messages.map((message) =>
    message._tag === "UserMessage" ? [message.payload[0]!, message.payload.length] : assert.fail(message._tag)
  )
}

/** A stream that has its turn when the test says so. */
export class FakeStream implements BackingSendStream {
  readonly priority: number
  readonly writeWhole: BackingSendStream["writeWhole"]
  readonly resets: Array<number> = []
  /** What its content weighed. */
  weight = 0
  private content: ((most: number) => StreamContent) | undefined
  private finished: Finish | undefined
  private written: Array<Uint8Array> = []
  fin = false

  constructor(priority: number, whole: boolean) {
    this.priority = priority
    this.writeWhole = whole
      ? (content, done) => {
          this.content = content
          this.finished = done
        }
      : undefined
  }

  readonly write = (bytes: Uint8Array, fin: boolean, done: Finish): void => {
    this.written.push(bytes)
    this.fin = fin
    this.finished = done
  }

  readonly onStopped = (): void => {}

  readonly setPriority = (): void => {}

  readonly reset = (code: number): void => {
    this.resets.push(code)
  }

  get waits(): boolean {
    return this.content !== undefined
  }

  /** It has its turn, if it has not had it, with content that should weigh `most`. */
  turn(most = Infinity): void {
    const content = this.content?.(most)
    this.content = undefined
    if (content === undefined) return
    this.written.push(content.bytes)
    this.weight = content.weight
  }

  end(failure?: StreamFailure): void {
    this.turn()
    this.finished!(failure)
  }

  /** What becomes of a stream that fails before its turn. */
  fail(failure: StreamFailure): void {
    this.finished!(failure)
  }

  get messages() {
    return contents(Buffer.concat(this.written))
  }
}

/** A connection that opens such streams, which write `whole` messages or not. */
export const connection = (whole: boolean, preferredBatchBytes?: number) => {
  const streams: Array<FakeStream> = []
  const backing = {
    preferredBatchBytes,
    openUni: (priority: number) => {
      const stream = new FakeStream(priority, whole)
      streams.push(stream)
      return stream
    }
  } as unknown as BackingConnection
  return { backing, streams }
}

export const payload = (first: number, length = 1) => new Uint8Array(length).fill(first)
