/**
 * Encodes and decodes the bodies of control messages; `WireMessage.ts` describes their layout.
 */
import * as NetAddress from "effect/net/NetAddress"
import type { ControlMessage, ProtocolOpenResp } from "../../WireMessage.ts"
import { decodeText, encodeText } from "../text.ts"
import { maxNameLength } from "./protocolName.ts"

/** The size of a body without a field, in bytes. */
export const minLength = 4
const booleanLength = minLength + 1
const ipv4Length = minLength + 4 + 4 + 2
/** The size of a body with an IPv6 address, in bytes: the largest question and the largest answer of an endpoint. */
export const maxAddressLength = minLength + 4 + 16 + 2

/** The variants of the messages that open protocols: an extension of qp2p's, which has 0 to 3. */
const openReq = 16
const openResp = 17

/** The size of the length that precedes a name, in bytes. */
const lengthLength = 8

/** The bytes of the body of a `ProtocolOpenReq` before its name. */
export const openReqOverhead = minLength + lengthLength

/** The size of the body of a `ProtocolOpenResp`, in bytes. */
export const openRespLength = minLength + 4

/** The size of the largest body, in bytes: of a `ProtocolOpenReq` with the longest name. */
export const maxLength = openReqOverhead + maxNameLength

/** The outcomes of a `ProtocolOpenResp`, by their numbers. */
const outcomes: ReadonlyArray<ProtocolOpenResp["outcome"]> = ["Accepted", "NotServed", "TooManyStreams"]

/** Encodes the body of a control message. */
export const encode = (message: ControlMessage): Uint8Array => {
  switch (message._tag) {
    case "EndpointEchoReq":
      return variant(0, minLength)
    case "EndpointEchoResp":
      return withAddress(1, message.address)
    case "EndpointVerificationReq":
      return withAddress(2, message.address)
    case "EndpointVerificationResp": {
      const body = variant(3, booleanLength)
      body[minLength] = message.reachable ? 1 : 0
      return body
    }
    case "ProtocolOpenReq": {
      const name = encodeText(message.protocol)
      const body = variant(openReq, openReqOverhead + name.length)
      body[minLength] = name.length
      body.set(name, openReqOverhead)
      return body
    }
    case "ProtocolOpenResp": {
      const body = variant(openResp, openRespLength)
      body[minLength] = outcomes.indexOf(message.outcome)
      return body
    }
  }
}

const variant = (number: number, length: number): Uint8Array => {
  const body = new Uint8Array(length)
  body[0] = number
  return body
}

const withAddress = (number: number, address: NetAddress.InetAddress): Uint8Array => {
  const isV4 = NetAddress.isInetAddressV4(address)
  const length = isV4 ? ipv4Length : maxAddressLength
  const body = variant(number, length)
  body[minLength] = isV4 ? 0 : 1
  body.set(isV4 ? NetAddress.ipv4ToOctets(address.address) : NetAddress.ipv6ToOctets(address.address), minLength + 4)
  body[length - 2] = address.port
  body[length - 1] = address.port >>> 8
  return body
}

const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/** Whether the bytes from `at` on may begin the body of a `ProtocolOpenReq` that ends at `end`. */
export const mayBeginOpenReq = (bytes: Uint8Array, at: number, end: number): boolean => {
  if (end - at <= openReqOverhead) return false
  for (let i = 0; i < minLength && at + i < bytes.length; i++) {
    if (bytes[at + i] !== (i === 0 ? openReq : 0)) return false
  }
  return true
}

/** Decodes the `length` bytes at `at`. Returns the message, or the reason why they are not one. */
export const decode = (bytes: Uint8Array, at: number, length: number): ControlMessage | string => {
  const variant = u32(bytes, at)
  switch (variant) {
    case 0:
      return length === minLength ? { _tag: "EndpointEchoReq" } : wrongLength("EndpointEchoReq", minLength, length)
    case 1: {
      const address = decodeAddress("EndpointEchoResp", bytes, at, length)
      return typeof address === "string" ? address : { _tag: "EndpointEchoResp", address }
    }
    case 2: {
      const address = decodeAddress("EndpointVerificationReq", bytes, at, length)
      return typeof address === "string" ? address : { _tag: "EndpointVerificationReq", address }
    }
    case 3: {
      if (length !== booleanLength) return wrongLength("EndpointVerificationResp", booleanLength, length)
      const value = bytes[at + minLength]!
      return value > 1
        ? `the boolean of EndpointVerificationResp must be 0 or 1, got ${value}`
        : { _tag: "EndpointVerificationResp", reachable: value === 1 }
    }
    case openReq:
      return decodeOpenReq(bytes, at, length)
    case openResp:
      return decodeOpenResp(bytes, at, length)
    default:
      return `the variant of a control message must be 0 to 3, ${openReq} or ${openResp}, got ${variant}`
  }
}

const decodeOpenReq = (bytes: Uint8Array, at: number, length: number): ControlMessage | string => {
  const expected = length - openReqOverhead
  if (expected < 1) return `ProtocolOpenReq takes at least ${openReqOverhead + 1} bytes, got ${length}`
  const nameLength = u32(bytes, at + minLength)
  // A body is too short for a length of more than 32 bits.
  if (nameLength !== expected || u32(bytes, at + minLength + 4) !== 0) {
    return `the name of ProtocolOpenReq must have the length ${expected}, got another one`
  }
  const name = at + openReqOverhead
  const protocol = decodeText(bytes.subarray(name, name + nameLength))
  return protocol === undefined ? "the name of ProtocolOpenReq must be UTF-8" : { _tag: "ProtocolOpenReq", protocol }
}

const decodeOpenResp = (bytes: Uint8Array, at: number, length: number): ControlMessage | string => {
  if (length !== openRespLength) return wrongLength("ProtocolOpenResp", openRespLength, length)
  const number = u32(bytes, at + minLength)
  const outcome = outcomes[number]
  return outcome === undefined
    ? `the outcome of ProtocolOpenResp must be 0 to ${outcomes.length - 1}, got ${number}`
    : { _tag: "ProtocolOpenResp", outcome }
}

const decodeAddress = (
  name: string,
  bytes: Uint8Array,
  at: number,
  length: number
): NetAddress.InetAddress | string => {
  if (length < ipv4Length) return wrongLength(name, ipv4Length, length)
  const kind = u32(bytes, at + minLength)
  if (kind > 1) return `the kind of an address must be 0 or 1, got ${kind}`
  const expected = kind === 0 ? ipv4Length : maxAddressLength
  if (length !== expected) return wrongLength(`${name} with an IPv${kind === 0 ? 4 : 6} address`, expected, length)
  const octets = bytes.subarray(at + minLength + 4, at + length - 2)
  return NetAddress.inetAddressUnsafe(
    kind === 0 ? NetAddress.ipv4FromBytesUnsafe(octets) : NetAddress.ipv6FromBytesUnsafe(octets),
    bytes[at + length - 2]! | (bytes[at + length - 1]! << 8)
  )
}

const wrongLength = (name: string, expected: number, length: number): string =>
  `${name} takes ${expected} bytes, got ${length}`
