/** A recorder of what arrives on a stream. */
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "@qp2p/core/Transport"
import type { Log } from "./log.ts"

/** Records what arrives on a stream. */
export class Received implements RecvEvents {
  readonly chunks: Array<Uint8Array> = []
  readonly ends: Array<StreamFailure | undefined> = []
  length = 0
  /** Whether `onData` answers false, which pauses the stream. */
  pausing = false
  demand: (() => number) | undefined
  receive: BackingRecvStream | undefined
  send: BackingSendStream | undefined
  /** Called with each chunk, from within the callback. */
  afterChunk: ((chunk: Uint8Array) => void) | undefined
  afterEnd: ((failure: StreamFailure | undefined) => void) | undefined
  private readonly record: Log

  constructor(record: Log = { events: [], faults: [] }) {
    this.record = record
  }

  readonly onData = (chunk: Uint8Array): boolean => {
    this.record.events.push("data")
    if (this.ends.length > 0) this.record.faults.push("onData after onEnd")
    // The chunk may be read only during the callback.
    this.chunks.push(chunk.slice())
    this.length += chunk.length
    this.afterChunk?.(chunk)
    return !this.pausing
  }

  readonly onEnd = (failure?: StreamFailure): void => {
    this.record.events.push("end")
    if (this.ends.length > 0) this.record.faults.push("onEnd twice")
    this.ends.push(failure)
    this.afterEnd?.(failure)
  }

  get whole(): Uint8Array {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return new TextDecoder().decode(this.whole)
  }

  resume(): void {
    this.pausing = false
    this.receive!.resume()
  }
}
