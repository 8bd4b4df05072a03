/**
 * Encodes and decodes PCP's MAP requests (RFC 6887, sections 7 and 11). Numbers are big-endian; lifetimes and epochs
 * are in seconds; IPv4 addresses are encoded as IPv4-mapped IPv6 addresses. Options are neither sent nor read.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"

const version = 2
const opcodeMap = 1
const udp = 17

/** The bit that marks the opcode of an answer. */
const answerBit = 0x80

const headerLength = 24
const mapLength = headerLength + 36

/** The maximum length of a PCP message, in bytes (section 7). */
const maxLength = 1_100

/** Result codes (section 7.4). */
export const results = {
  success: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  malformedRequest: 3,
  unsupportedOpcode: 4,
  unsupportedOption: 5,
  malformedOption: 6,
  networkFailure: 7,
  noResources: 8,
  unsupportedProtocol: 9,
  userExceedsQuota: 10,
  cannotProvideExternal: 11,
  addressMismatch: 12,
  excessiveRemotePeers: 13
}

/** The length of a mapping nonce, in bytes: 96 bits (RFC 6887, section 11.1). */
export const nonceLength = 12

/** The fields of a MAP request for UDP (RFC 6887, section 11.1). */
export interface MapRequest {
  /** The local address that the request is sent from. */
  readonly client: NetAddress.Ipv4Address
  /** Identifies the mapping: only a request with the same nonce renews or removes it. */
  readonly nonce: Uint8Array
  readonly internalPort: number
  /** The requested external address and port. The unspecified address and port 0 stand for any. */
  readonly external: NetAddress.InetAddressV4
  /** In seconds; 0 removes the mapping. */
  readonly lifetime: number
}

/** Encodes a MAP request. */
export const mapRequest = (request: MapRequest): Uint8Array => {
  const bytes = new Uint8Array(mapLength)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, version)
  view.setUint8(1, opcodeMap)
  view.setUint32(4, request.lifetime)
  bytes.set(mapped(request.client), 8)
  bytes.set(request.nonce, 24)
  view.setUint8(36, udp)
  view.setUint16(40, request.internalPort)
  view.setUint16(42, request.external.port)
  bytes.set(mapped(request.external.address), 44)
  return bytes
}

const mapped = (address: NetAddress.Ipv4Address) => NetAddress.ipv6ToOctets(NetAddress.toIpv4Mapped(address))

/** A successful answer to a MAP request: the external address and port, the lifetime and the epoch. */
export interface Assignment {
  readonly nonce: Uint8Array
  readonly internalPort: number
  readonly externalAddress: NetAddress.IpAddress
  readonly externalPort: number
}

/** An answer to a MAP request. `assignment` is missing when a gateway refuses without repeating the request. */
export interface Answer {
  readonly code: number
  readonly lifetime: number
  readonly epoch: number
  readonly assignment: Option.Option<Assignment>
}

/** Decodes an answer to a MAP request for UDP; none when the bytes are not one. */
export const decode = (bytes: Uint8Array): Option.Option<Answer> => {
  const { length } = bytes
  if (length < headerLength || length > maxLength || length % 4 !== 0) return Option.none()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const code = view.getUint8(3)
  // A refusal of the version carries the gateway's own version.
  if (bytes[0] !== version && (bytes[0] === 0 || code !== results.unsupportedVersion)) return Option.none()
  if (bytes[1] !== (answerBit | opcodeMap)) return Option.none()
  const complete = length >= mapLength
  if (code === results.success && (!complete || bytes[36] !== udp)) return Option.none()
  return Option.some({
    code,
    lifetime: view.getUint32(4),
    epoch: view.getUint32(8),
    assignment: complete
      ? Option.some({
          nonce: bytes.slice(24, 24 + nonceLength),
          internalPort: view.getUint16(40),
          externalPort: view.getUint16(42),
          externalAddress: NetAddress.toCanonical(NetAddress.ipv6FromBytesUnsafe(bytes.subarray(44, 60)))
        })
      : Option.none()
  })
}

/** Whether this is how a PCP-only gateway answers NAT-PMP's external address request, whose opcode is 0. */
export const refusesNatPmp = (bytes: Uint8Array): boolean =>
  bytes.length >= headerLength && bytes[0] !== 0 && bytes[1] === answerBit && bytes[3] === results.unsupportedVersion
