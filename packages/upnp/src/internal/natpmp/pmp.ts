/** Encodes and decodes NAT-PMP (RFC 6886, section 3). Numbers are big-endian; lifetimes and epochs are in seconds. */
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"

/** The opcodes of the two requests in use (RFC 6886, sections 3.2 and 3.3); an answer adds 128. */
export const opcodes = { externalAddress: 0, mapUdp: 1 }

/** Result codes (section 3.5). */
export const results = {
  success: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  networkFailure: 3,
  outOfResources: 4,
  unsupportedOpcode: 5
}

/** The bit that marks the opcode of an answer. */
const answerBit = 0x80

/** Encodes the request for the external address (section 3.2). */
export const externalAddressRequest = (): Uint8Array => Uint8Array.of(0, opcodes.externalAddress)

/** The fields of a request to map a UDP port (section 3.3). */
export interface MapRequest {
  readonly internalPort: number
  /** The requested external port; 0 to remove a mapping. */
  readonly externalPort: number
  /** In seconds; 0 removes the mapping. */
  readonly lifetime: number
}

/** Encodes a request to map a UDP port (section 3.3). */
export const mapRequest = (request: MapRequest): Uint8Array => {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setUint8(1, opcodes.mapUdp)
  view.setUint16(4, request.internalPort)
  view.setUint16(6, request.externalPort)
  view.setUint32(8, request.lifetime)
  return bytes
}

/** The answer with the external address of the gateway. */
export interface ExternalAddress {
  readonly _tag: "ExternalAddress"
  readonly epoch: number
  readonly address: NetAddress.Ipv4Address
}

/** The answer to a mapping request: the port and the lifetime that the gateway granted. */
export interface Mapped extends MapRequest {
  readonly _tag: "Mapped"
  readonly epoch: number
}

/** An answer with a result code other than success (section 3.5). */
export interface Refused {
  readonly _tag: "Refused"
  readonly opcode: number
  readonly code: number
  readonly epoch: number
}

/** A decoded answer of a gateway. */
export type Answer = ExternalAddress | Mapped | Refused

/** Decodes an answer; none when the bytes are not one. */
export const decode = (bytes: Uint8Array): Option.Option<Answer> => {
  if (bytes.length < 8 || bytes[0] !== 0) return Option.none()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const opcode = view.getUint8(1) - answerBit
  const code = view.getUint16(2)
  const epoch = view.getUint32(4)
  if (opcode < 0) return Option.none()
  if (code !== results.success) return Option.some({ _tag: "Refused", opcode, code, epoch })
  if (opcode === opcodes.externalAddress && bytes.length >= 12) {
    return Option.some({
      _tag: "ExternalAddress",
      epoch,
      address: NetAddress.ipv4FromBytesUnsafe(bytes.subarray(8, 12))
    })
  }
  if (opcode === opcodes.mapUdp && bytes.length >= 16) {
    return Option.some({
      _tag: "Mapped",
      epoch,
      internalPort: view.getUint16(8),
      externalPort: view.getUint16(10),
      lifetime: view.getUint32(12)
    })
  }
  return Option.none()
}

/** Whether this is how a NAT-PMP-only gateway answers a PCP request (RFC 6887, appendix A). */
export const refusesVersion = (bytes: Uint8Array): boolean =>
  Option.exists(decode(bytes), (answer) => answer._tag === "Refused" && answer.code === results.unsupportedVersion)

/** Whether this answers the external address request, with success or an error: the gateway speaks NAT-PMP. */
export const answersExternalAddress = (bytes: Uint8Array): boolean =>
  Option.exists(
    decode(bytes),
    (answer) =>
      answer._tag === "ExternalAddress" ||
      (answer._tag === "Refused" &&
        answer.opcode === opcodes.externalAddress &&
        answer.code !== results.unsupportedVersion)
  )
