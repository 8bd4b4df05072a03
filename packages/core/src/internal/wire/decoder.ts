/**
 * Decodes the frames of one stream.
 */
import { SerializationError } from "../../SendError.ts"
import type { WireMessage } from "../../WireMessage.ts"
import * as args from "../arguments.ts"
import { Body } from "./body.ts"
import * as controlBody from "./controlBody.ts"
import * as header from "./header.ts"
import { size, notBytesError, oversized, argumentError } from "./errors.ts"

const decoderOptions: args.Fields = { maxMessageSize: size, leaveOut: args.optional(size) }

/**
 * Decodes the frames of one stream. Memory grows with the bytes that arrive, not with the length that a header claims.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export class Decoder {
  /** The error of the first message that was left out; undefined when none was. */
  refused: SerializationError | undefined = undefined
  private readonly maxMessageSize: number
  private readonly leaveOut: number
  private error: SerializationError | undefined = undefined
  private completed = 0
  private partialHeader: Uint8Array | undefined = undefined
  private headerUsed = 0
  /** The length of the current body, in bytes; 0 while a header is expected. */
  private length = 0
  /** The bytes of a left-out message that are still to arrive. */
  private unwanted = 0
  private flag: number = header.userFlag
  /** The received part of a body that spans several chunks. */
  private body: Body | undefined = undefined

  /**
   * Makes a decoder. `maxMessageSize` is the largest payload of a user message, in bytes. A larger message is an error,
   * except that one of up to `leaveOut` bytes (default 0) is left out and decoding continues: see `refused`.
   */
  constructor(options: { readonly maxMessageSize: number; readonly leaveOut?: number | undefined }) {
    const problem = args.problemOf(options, decoderOptions)
    this.maxMessageSize = problem === undefined ? options.maxMessageSize : 0
    this.leaveOut = (problem === undefined ? options.leaveOut : undefined) ?? 0
    if (problem !== undefined) this.error = new SerializationError({ detail: args.formatProblem("options", problem) })
  }

  /**
   * The bytes of memory held for the current frame, for an owner that limits them: at most twice the bytes that have
   * arrived, or 64 where that is more.
   */
  get buffered(): number {
    return this.headerUsed + (this.body?.held ?? 0)
  }

  /** Whether the stream has carried left-out messages and nothing else. */
  get hasOnlyRefused(): boolean {
    return this.refused !== undefined && this.completed === 0 && this.length === 0 && this.headerUsed === 0
  }

  /**
   * Decodes a chunk and appends every message that it completes to `onto`, in order. The chunk may be overwritten after
   * the call: no message shares memory with it. Returns an error when the stream is malformed; the messages before the
   * error are appended, none after it, and every later call returns the same error.
   */
  push(chunk: Uint8Array, onto: Array<WireMessage>): SerializationError | undefined {
    if (this.error !== undefined) return this.error
    if (!args.isBytes(chunk)) return notBytesError("a chunk", chunk)
    if (!Array.isArray(onto)) return argumentError("onto", args.list, onto)
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
        this.body.append(chunk, offset, end, this.length)
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

  /** Ends the stream. Returns an error if the stream ended within a frame, or if an earlier call returned one. */
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

  /** Reads bytes of the header. Returns the offset after them. */
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
    } else if (flag === header.controlFlag && (length < controlBody.minLength || length > controlBody.maxLength)) {
      this.fail(`a control message takes ${controlBody.minLength} to ${controlBody.maxLength} bytes, got ${length}`)
    } else {
      this.length = length
      this.flag = flag
    }
  }

  private complete(chunk: Uint8Array, offset: number, end: number): WireMessage | string {
    if (this.body === undefined || this.body.received === 0) {
      return this.flag === header.controlFlag
        ? controlBody.decode(chunk, offset, this.length)
        : // The `slice` of a Node Buffer would share memory.
          { _tag: "UserMessage", payload: new Uint8Array(chunk.subarray(offset, end)) }
    }
    const body = this.body.complete(chunk, offset, end, this.length)
    return this.flag === header.controlFlag
      ? controlBody.decode(body, 0, this.length)
      : { _tag: "UserMessage", payload: body }
  }
}
