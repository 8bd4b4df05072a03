/**
 * Encodes and decodes the frames on a stream: qp2p's protocol, version 1.
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
 * The body of a user message is its payload. The body of a control message is bincode 1 (little-endian, fixed width): the
 * variant as u32, then its address or boolean. An address is its kind as u32 (0 for IPv4, 1 for IPv6), the octets, and
 * the port as u16. IPv6 scope ids and flow labels are not sent.
 *
 * The variants 0 to 3 are those of qp2p. This library adds 16 and 17, which open a protocol: see `ProtocolOpenReq`.
 *
 * The module has plain functions and a class, called synchronously for each chunk: a message costs no fiber.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as NetAddress from "effect/net/NetAddress"
import { allocatePooled } from "./internal/memory.ts"
import * as args from "./internal/arguments.ts"
import { size, notBytesError, oversized, argumentError } from "./internal/wire/errors.ts"
import * as controlBody from "./internal/wire/controlBody.ts"
import * as header from "./internal/wire/header.ts"
import { protocolName } from "./internal/wire/protocolName.ts"
import { SerializationError } from "./SendError.ts"

export { Decoder } from "./internal/wire/decoder.ts"

/**
 * The size of a frame's header, in bytes.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const headerLength = header.length

/**
 * The size of the largest frame of a control message, in bytes: one that opens a protocol with the longest name.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const largestControlFrame = header.length + controlBody.maxLength

/**
 * A message of the application: 1 byte to `EndpointConfig.maxMessageSize`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface UserMessage {
  readonly _tag: "UserMessage"
  /** The application's bytes. */
  readonly payload: Uint8Array
}

/**
 * Asks the peer at which address it sees the asker.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EndpointEchoReq {
  readonly _tag: "EndpointEchoReq"
}

/**
 * Answers `EndpointEchoReq` with the asker's address.
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
 * Asks the peer whether it can reach the asker at `address`.
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
 * Answers `EndpointVerificationReq` with whether the peer reached the address.
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
 * Begins a bidirectional stream that carries a protocol. The bytes of the protocol follow, without frames. The variant is 16; the
 * name follows as bincode writes a text: its length in bytes as u64, then the UTF-8. qp2p knows no such variant, and fails to
 * decode the stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ProtocolOpenReq {
  readonly _tag: "ProtocolOpenReq"
  /** The name of the protocol: 1 to 255 bytes of UTF-8. */
  readonly protocol: string
}

/**
 * Begins the returning half of a stream that began with `ProtocolOpenReq`. The variant is 17; the outcome follows as u32: 0 for
 * "Accepted", 1 for "NotServed", 2 for "TooManyStreams". After "Accepted", the bytes of the protocol follow, without frames. After
 * a refusal, the half ends.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ProtocolOpenResp {
  readonly _tag: "ProtocolOpenResp"
  /** Whether the peer serves the stream, or why it does not. */
  readonly outcome: "Accepted" | "NotServed" | "TooManyStreams"
}

/**
 * A message between endpoints. Applications never receive one.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ControlMessage =
  | EndpointEchoReq
  | EndpointEchoResp
  | EndpointVerificationReq
  | EndpointVerificationResp
  | ProtocolOpenReq
  | ProtocolOpenResp

/**
 * The content of one frame.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type WireMessage = UserMessage | ControlMessage

/**
 * Checks that `payload` can be sent as one user message. Returns the error, or undefined when it can.
 *
 * A payload is a `Uint8Array`, of any realm, of 1 to `maxMessageSize` bytes, and at most 2^32 - 1, which is the most that a
 * header can express. The encoders do not check the length.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const checkPayload = (payload: Uint8Array, maxMessageSize: number): SerializationError | undefined => {
  if (!args.isBytes(payload)) return notBytesError("a message", payload)
  if (typeof maxMessageSize !== "number") return argumentError("maxMessageSize", size, maxMessageSize)
  const maximum = Math.min(maxMessageSize, header.maxLength)
  const length = payload.length
  if (length > 0 && length <= maximum) return undefined
  if (length === 0) return new SerializationError({ detail: args.isDetached(payload) ? transferred : tooShort })
  if (Number.isNaN(maximum)) return argumentError("maxMessageSize", size, maxMessageSize)
  return new SerializationError({ detail: oversized(length, maximum) })
}

const tooShort = "a message must have at least 1 byte"
const transferred = "the payload's buffer was transferred to somewhere else, and its bytes with it"

/** Returns an error that only callers without types can get: see `InvalidArgument.ts`. */
const untyped = (error: SerializationError): never => error as never

const bodyLength = args.integer(1, header.maxLength)
const flags = args.oneOf(header.userFlag, header.controlFlag)

/**
 * Encodes the header of a body of `length` bytes (1 to 2^32 - 1), to send a large payload without copying it. The flag is
 * 0 for a user message and 1 for a control message.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const encodeHeader = (length: number, flag: 0 | 1): Uint8Array => {
  const refused = argumentError("length", bodyLength, length) ?? argumentError("flag", flags, flag)
  if (refused !== undefined) return untyped(refused)
  const bytes = new Uint8Array(headerLength)
  header.write(bytes, 0, length, flag)
  return bytes
}

/**
 * Encodes a user message: its header and a copy of `payload`, which `checkPayload` must accept. The result may be a view of
 * a larger buffer.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const encodeUser = (payload: Uint8Array): Uint8Array => {
  if (!args.isBytes(payload)) return untyped(notBytesError("a message", payload))
  const frame = allocatePooled(headerLength + payload.length)
  encodeUserInto(payload, frame, 0)
  return frame
}

/**
 * Encodes a user message into `frames` at the offset `at`. Returns the offset after it. `frames` must have the room.
 *
 * @stability unstable
 * @category encoding
 * @since 0.1.0
 */
export const encodeUserInto = (payload: Uint8Array, frames: Uint8Array, at: number): number => {
  if (!args.isBytes(payload)) return untyped(notBytesError("a message", payload))
  if (!args.isBytes(frames)) return untyped(notBytesError("frames", frames))
  if (!(Number.isInteger(at) && at >= 0 && at + headerLength + payload.length <= frames.length))
    return untyped(noRoom(payload, frames, at))
  header.write(frames, at, payload.length, header.userFlag)
  frames.set(payload, at + headerLength)
  return at + headerLength + payload.length
}

const noRoom = (payload: Uint8Array, frames: Uint8Array, at: unknown): SerializationError =>
  new SerializationError({
    detail: `there is no room for a message of ${payload.length} bytes in ${frames.length} bytes from ${args.show(at)} on`
  })

/**
 * Encodes any message. The payload of a user message is copied; `checkPayload` must accept it.
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
  header.write(frame, 0, body.length, header.controlFlag)
  frame.set(body, headerLength)
  return frame
}

const tags: Readonly<Record<WireMessage["_tag"], args.Fields>> = {
  UserMessage: { payload: args.bytes },
  EndpointEchoReq: {},
  EndpointEchoResp: { address: args.inetAddress },
  EndpointVerificationReq: { address: args.inetAddress },
  EndpointVerificationResp: { reachable: args.flag },
  ProtocolOpenReq: { protocol: protocolName },
  ProtocolOpenResp: { outcome: args.oneOf("Accepted", "NotServed", "TooManyStreams") }
}

const tag = args.oneOf(...Object.keys(tags))

/** Returns the error of a value that is not a message; undefined when it is one. */
const malformed = (message: WireMessage): SerializationError | undefined => {
  if (!args.isRecord(message)) {
    return new SerializationError({ detail: `a message must be an object, got ${args.show(message)}` })
  }
  const unknown = argumentError("the _tag of a message", tag, message._tag)
  if (unknown !== undefined) return unknown
  const problem = args.problemIn(message, tags[message._tag])
  return problem && new SerializationError({ detail: `the ${problem.path} of a message ${problem.detail}` })
}
