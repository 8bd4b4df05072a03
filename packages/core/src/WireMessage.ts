/**
 * What travels on a stream: qp2p's protocol, version 1.
 *
 * A stream carries frames until it ends. A frame is a header of nine bytes and a body:
 *
 * | bytes | content |
 * | --- | --- |
 * | 0-1 | version, big-endian: 1 |
 * | 2-5 | length of the body, big-endian: at least 1 |
 * | 6 | flag: 0 for a user message, 1 for a control message |
 * | 7-8 | reserved: 0 |
 *
 * The body of a user message is its payload. That of a control message is bincode 1 (little-endian, fixed width): the
 * variant as u32, then its address or boolean. An address is its kind as u32 (0 for IPv4, 1 for IPv6), the octets and
 * the port as u16. IPv6 scope identifiers and flow labels are not sent.
 *
 * Plain functions and a class, called synchronously for each chunk: a message costs no fiber on its way through.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as NetAddress from "effect/net/NetAddress"
import { allocatePooled } from "./internal/memory.ts"
import * as args from "./internal/arguments.ts"
import { Body } from "./internal/body.ts"
import * as controlBody from "./internal/controlBody.ts"
import { SerializationError } from "./SendError.ts"

/**
 * Bytes before the body of each frame.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const headerLength = 9

/**
 * Bytes of the largest frame of a control message: an IPv6 address with its kind, octets and port.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const largestControlFrame = headerLength + controlBody.longest

/**
 * What an application sends: 1 byte to `EndpointConfig.maxMessageSize`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface UserMessage {
  readonly _tag: "UserMessage"
  /** The bytes of the application. */
  readonly payload: Uint8Array
}

/**
 * Asks the peer which address it sees us at.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EndpointEchoReq {
  readonly _tag: "EndpointEchoReq"
}

/**
 * Answers `EndpointEchoReq`: the address that the peer is seen at.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EndpointEchoResp {
  readonly _tag: "EndpointEchoResp"
  /** The address at which the peer sees the asker. */
  readonly address: NetAddress.InetAddress
}

/**
 * Asks the peer whether it can reach us at `address`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EndpointVerificationReq {
  readonly _tag: "EndpointVerificationReq"
  /** The address to dial. */
  readonly address: NetAddress.InetAddress
}

/**
 * Answers `EndpointVerificationReq`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EndpointVerificationResp {
  readonly _tag: "EndpointVerificationResp"
  /** Whether the address could be dialled. */
  readonly reachable: boolean
}

/**
 * What endpoints say to each other; an application never sees these.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ControlMessage = EndpointEchoReq | EndpointEchoResp | EndpointVerificationReq | EndpointVerificationResp

/**
 * The content of one frame.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type WireMessage = UserMessage | ControlMessage

const version = 1
const userFlag = 0
const controlFlag = 1
const maxLength = 0xffff_ffff

/**
 * Whether `payload` can be sent as one user message: a `Uint8Array`, of whatever realm, of 1 to `maxMessageSize` bytes,
 * and no more than a header can tell (2^32 - 1). The encoders do not check its length.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const checkPayload = (payload: Uint8Array, maxMessageSize: number): SerializationError | undefined => {
  if (!args.isBytes(payload)) return noBytes("a message", payload)
  if (typeof maxMessageSize !== "number") return wrong("maxMessageSize", amount, maxMessageSize)
  const maximum = Math.min(maxMessageSize, maxLength)
  const length = payload.length
  if (length > 0 && length <= maximum) return undefined
  if (length === 0) return new SerializationError({ reason: args.isDetached(payload) ? transferred : tooShort })
  if (Number.isNaN(maximum)) return wrong("maxMessageSize", amount, maxMessageSize)
  return new SerializationError({ reason: oversized(length, maximum) })
}

const amount = args.check("must be a number", (value) => typeof value === "number" && !Number.isNaN(value))

const tooShort = "a message must have at least 1 byte"
const transferred = "the payload's buffer was transferred to somewhere else, and its bytes with it"

const noBytes = (name: string, given: unknown): SerializationError =>
  new SerializationError({ reason: args.notBytes(name, given) })

/** What is wrong with an argument, for functions that return values and not effects. */
const wrong = (name: string, check: args.Check, given: unknown): SerializationError | undefined => {
  const reason = args.problemWith(check, given)
  return reason === undefined ? undefined : new SerializationError({ reason: `${name} ${reason}` })
}

/** Only callers without types come to see it: see `InvalidArgument.ts`. */
const untyped = (error: SerializationError): never => error as never

const oversized = (length: number, maximum: number): string =>
  `a message of ${length} bytes is larger than the maximum of ${maximum}`

const writeHeader = (into: Uint8Array, at: number, length: number, flag: 0 | 1): void => {
  into[at] = 0
  into[at + 1] = version
  into[at + 2] = length >>> 24
  into[at + 3] = length >>> 16
  into[at + 4] = length >>> 8
  into[at + 5] = length
  into[at + 6] = flag
  into[at + 7] = 0
  into[at + 8] = 0
}

const bodyLength = args.integer(1, maxLength)
const flags = args.oneOf(userFlag, controlFlag)

/**
 * The header of a body of `length` bytes (1 to 2^32 - 1), for writing a large payload without copying it. The flag is
 * 0 for a user message, 1 for a control message.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const encodeHeader = (length: number, flag: 0 | 1): Uint8Array => {
  const refused = wrong("length", bodyLength, length) ?? wrong("flag", flags, flag)
  if (refused !== undefined) return untyped(refused)
  const header = new Uint8Array(headerLength)
  writeHeader(header, 0, length, flag)
  return header
}

/**
 * A user message in one piece: header and a copy of `payload`, which `checkPayload` must have passed. The result may
 * be a view of a larger buffer.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const encodeUser = (payload: Uint8Array): Uint8Array => {
  if (!args.isBytes(payload)) return untyped(noBytes("a message", payload))
  const frame = allocatePooled(headerLength + payload.length)
  encodeUserInto(payload, frame, 0)
  return frame
}

/**
 * As `encodeUser`, into the bytes of `frames` from `at`, where there must be room. Returns the offset after it.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const encodeUserInto = (payload: Uint8Array, frames: Uint8Array, at: number): number => {
  if (!args.isBytes(payload)) return untyped(noBytes("a message", payload))
  if (!args.isBytes(frames)) return untyped(noBytes("frames", frames))
  if (!(Number.isInteger(at) && at >= 0 && at + headerLength + payload.length <= frames.length))
    return untyped(noRoom(payload, frames, at))
  writeHeader(frames, at, payload.length, userFlag)
  frames.set(payload, at + headerLength)
  return at + headerLength + payload.length
}

const noRoom = (payload: Uint8Array, frames: Uint8Array, at: unknown): SerializationError =>
  new SerializationError({
    reason: `there is no room for a message of ${payload.length} bytes in ${frames.length} bytes from ${args.show(at)} on`
  })

/**
 * Any message in one piece. A user payload is copied, and `checkPayload` must have passed it.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const encode = (message: WireMessage): Uint8Array => {
  const refused = malformed(message)
  if (refused !== undefined) return untyped(refused)
  if (message._tag === "UserMessage") return encodeUser(message.payload)
  const body = controlBody.encode(message)
  const frame = new Uint8Array(headerLength + body.length)
  writeHeader(frame, 0, body.length, controlFlag)
  frame.set(body, headerLength)
  return frame
}

const tags: Readonly<Record<WireMessage["_tag"], args.Fields>> = {
  UserMessage: { payload: args.bytes },
  EndpointEchoReq: {},
  EndpointEchoResp: { address: args.inetAddress },
  EndpointVerificationReq: { address: args.inetAddress },
  EndpointVerificationResp: { reachable: args.flag }
}

const tag = args.oneOf(...Object.keys(tags))

/** Why this is no message, if so. */
const malformed = (message: WireMessage): SerializationError | undefined => {
  if (!args.isRecord(message)) {
    return new SerializationError({ reason: `a message must be an object, got ${args.show(message)}` })
  }
  const unknown = wrong("the _tag of a message", tag, message._tag)
  if (unknown !== undefined) return unknown
  const problem = args.problemIn(message, tags[message._tag])
  return problem && new SerializationError({ reason: `the ${problem.path} of a message ${problem.reason}` })
}

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
  private header: Uint8Array | undefined = undefined
  private headerUsed = 0
  /** Of the body under way; 0 while a header is expected. */
  private length = 0
  /** Bytes of a message that is left out, and have not come yet. */
  private unwanted = 0
  private flag: number = userFlag
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
    if (problem !== undefined) this.error = new SerializationError({ reason: args.inWords("options", problem) })
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
      return this.fail(`the stream ended after ${this.headerUsed} of the ${headerLength} bytes of a header`)
    }
    return undefined
  }

  private fail(reason: string): SerializationError {
    this.clear()
    this.headerUsed = 0
    return (this.error = new SerializationError({ reason }))
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
    if (this.headerUsed === 0 && end - offset >= headerLength) {
      this.readHeader(chunk, offset)
      return offset + headerLength
    }
    this.header ??= new Uint8Array(headerLength)
    while (this.headerUsed < headerLength && offset < end) this.header[this.headerUsed++] = chunk[offset++]!
    if (this.headerUsed === headerLength) {
      this.headerUsed = 0
      this.readHeader(this.header, 0)
    }
    return offset
  }

  private readHeader(bytes: Uint8Array, at: number): void {
    const got = (bytes[at]! << 8) | bytes[at + 1]!
    const length = ((bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!) >>> 0
    const flag = bytes[at + 6]!
    const reserved = (bytes[at + 7]! << 8) | bytes[at + 8]!
    if (got !== version) {
      this.fail(`the version must be ${version}, got ${got}`)
    } else if (flag > controlFlag) {
      this.fail(`the flag must be ${userFlag} or ${controlFlag}, got ${flag}`)
    } else if (reserved !== 0) {
      this.fail(`the reserved bytes must be 0, got ${reserved}`)
    } else if (length === 0) {
      this.fail("the length must be at least 1, got 0")
    } else if (flag === userFlag && length > this.maxMessageSize) {
      if (length > this.leaveOut) this.fail(oversized(length, this.maxMessageSize))
      else {
        this.refused ??= new SerializationError({ reason: oversized(length, this.maxMessageSize) })
        this.unwanted = length
      }
    } else if (flag === controlFlag && (length < controlBody.shortest || length > controlBody.longest)) {
      this.fail(`a control message takes ${controlBody.shortest} to ${controlBody.longest} bytes, got ${length}`)
    } else {
      this.length = length
      this.flag = flag
    }
  }

  private complete(chunk: Uint8Array, offset: number, end: number): WireMessage | string {
    if (this.body === undefined || this.body.received === 0) {
      return this.flag === controlFlag
        ? controlBody.decode(chunk, offset, this.length)
        : // Not `slice`: that of a Node Buffer shares memory.
          { _tag: "UserMessage", payload: new Uint8Array(chunk.subarray(offset, end)) }
    }
    const body = this.body.complete(chunk, offset, end, this.length)
    return this.flag === controlFlag ? controlBody.decode(body, 0, this.length) : { _tag: "UserMessage", payload: body }
  }
}
