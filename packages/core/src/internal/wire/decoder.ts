/**
 * Takes the frames of one stream apart.
 */
import { SerializationError } from "../../SendError.ts"
import type { WireMessage } from "../../WireMessage.ts"
import * as args from "../arguments.ts"
import { Body } from "./body.ts"
import * as controlBody from "./controlBody.ts"
import * as header from "./header.ts"
import { amount, noBytes, oversized, wrong } from "./refusals.ts"

const decoderOptions: args.Fields = { maxMessageSize: amount, leaveOut: args.optional(amount) }

/**
 * Takes one stream apart. A body is collected as it arrives: a header that claims much reserves nothing.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export class Decoder {
  /** Why messages were left out, if any were. */
  refused: SerializationError | undefined = undefined
  private readonly maxMessageSize: number
  private readonly leaveOut: number
  private error: SerializationError | undefined = undefined
  private completed = 0
  private partialHeader: Uint8Array | undefined = undefined
  private headerUsed = 0
  /** Of the body under way; 0 while a header is expected. */
  private length = 0
  /** Bytes of a message that is left out, and have not come yet. */
  private unwanted = 0
  private flag: number = header.userFlag
  /** What has come of it, when that was not all in one chunk. */
  private body: Body | undefined = undefined

  /**
   * `maxMessageSize` is the largest payload, in bytes, that a user message may have. Larger ones are an error; but those
   * of up to `leaveOut` bytes, 0 by default, are left out, and what follows them is decoded: see `refused`.
   */
  constructor(options: { readonly maxMessageSize: number; readonly leaveOut?: number | undefined }) {
    const problem = args.problemOf(options, decoderOptions)
    this.maxMessageSize = problem === undefined ? options.maxMessageSize : 0
    this.leaveOut = (problem === undefined ? options.leaveOut : undefined) ?? 0
    if (problem !== undefined) this.error = new SerializationError({ detail: args.inWords("options", problem) })
  }

  /**
   * Bytes of memory held for the frame under way, for an owner who keeps accounts: what has arrived of it, and room
   * for at most as much again (but 64 bytes when less has arrived).
   */
  get buffered(): number {
    return this.headerUsed + (this.body?.held ?? 0)
  }

  /** Whether a message that is left out is all that there has been. */
  get hasOnlyRefused(): boolean {
    return this.refused !== undefined && this.completed === 0 && this.length === 0 && this.headerUsed === 0
  }

  /**
   * Appends to `onto` every message that `chunk` completes, in order. The chunk is only borrowed: it may be
   * overwritten after the call, and nothing in `onto` shares memory with it. Returns an error as soon as the stream
   * makes no sense; messages before that are appended all the same, none after it, and every later call returns the
   * same error.
   */
  push(chunk: Uint8Array, onto: Array<WireMessage>): SerializationError | undefined {
    if (this.error !== undefined) return this.error
    if (!args.isBytes(chunk)) return noBytes("a chunk", chunk)
    if (!Array.isArray(onto)) return wrong("onto", args.list, onto)
    const end = chunk.length
    let offset = 0
    while (offset < end) {
      if (this.unwanted > 0) {
        const skipped = Math.min(this.unwanted, end - offset)
        this.unwanted -= skipped
        offset += skipped
        continue
      }
      if (this.length === 0) {
        offset = this.takeHeader(chunk, offset, end)
        if (this.error !== undefined) return this.error
        if (this.length === 0) continue
      }
      const needed = this.length - this.received
      if (end - offset < needed) {
        this.body ??= new Body()
        this.body.keep(chunk, offset, end, this.length)
        return undefined
      }
      const message = this.complete(chunk, offset, offset + needed)
      if (typeof message === "string") return this.fail(message)
      onto.push(message)
      this.completed += 1
      offset += needed
      this.clear()
    }
    return undefined
  }

  /** The stream has ended. Returns an error if that was within a frame, or if there was one before. */
  end(): SerializationError | undefined {
    if (this.error !== undefined) return this.error
    if (this.length > 0) {
      return this.fail(`the stream ended after ${this.received} of the ${this.length} bytes of a message`)
    }
    if (this.unwanted > 0) return this.fail("the stream ended within a message that is too large")
    if (this.headerUsed > 0) {
      return this.fail(`the stream ended after ${this.headerUsed} of the ${header.length} bytes of a header`)
    }
    return undefined
  }

  private fail(detail: string): SerializationError {
    this.clear()
    this.headerUsed = 0
    return (this.error = new SerializationError({ detail }))
  }

  private get received(): number {
    return this.body?.received ?? 0
  }

  private clear(): void {
    this.length = 0
    this.body?.clear()
  }

  /** Returns the offset after what it took. */
  private takeHeader(chunk: Uint8Array, offset: number, end: number): number {
    if (this.headerUsed === 0 && end - offset >= header.length) {
      this.readHeader(chunk, offset)
      return offset + header.length
    }
    this.partialHeader ??= new Uint8Array(header.length)
    while (this.headerUsed < header.length && offset < end) this.partialHeader[this.headerUsed++] = chunk[offset++]!
    if (this.headerUsed === header.length) {
      this.headerUsed = 0
      this.readHeader(this.partialHeader, 0)
    }
    return offset
  }

  private readHeader(bytes: Uint8Array, at: number): void {
    const got = (bytes[at]! << 8) | bytes[at + 1]!
    const length = ((bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!) >>> 0
    const flag = bytes[at + 6]!
    const reserved = (bytes[at + 7]! << 8) | bytes[at + 8]!
    if (got !== header.version) {
      this.fail(`the version must be ${header.version}, got ${got}`)
    } else if (flag > header.controlFlag) {
      this.fail(`the flag must be ${header.userFlag} or ${header.controlFlag}, got ${flag}`)
    } else if (reserved !== 0) {
      this.fail(`the reserved bytes must be 0, got ${reserved}`)
    } else if (length === 0) {
      this.fail("the length must be at least 1, got 0")
    } else if (flag === header.userFlag && length > this.maxMessageSize) {
      if (length > this.leaveOut) this.fail(oversized(length, this.maxMessageSize))
      else {
        this.refused ??= new SerializationError({ detail: oversized(length, this.maxMessageSize) })
        this.unwanted = length
      }
    } else if (flag === header.controlFlag && (length < controlBody.shortest || length > controlBody.longest)) {
      this.fail(`a control message takes ${controlBody.shortest} to ${controlBody.longest} bytes, got ${length}`)
    } else {
      this.length = length
      this.flag = flag
    }
  }

  private complete(chunk: Uint8Array, offset: number, end: number): WireMessage | string {
    if (this.body === undefined || this.body.received === 0) {
      return this.flag === header.controlFlag
        ? controlBody.decode(chunk, offset, this.length)
        : // Not `slice`: that of a Node Buffer shares memory.
          { _tag: "UserMessage", payload: new Uint8Array(chunk.subarray(offset, end)) }
    }
    const body = this.body.complete(chunk, offset, end, this.length)
    return this.flag === header.controlFlag
      ? controlBody.decode(body, 0, this.length)
      : { _tag: "UserMessage", payload: body }
  }
}
