/** A NAT-PMP (RFC 6886) and PCP (RFC 6887) server. Numbers are big-endian, times are in seconds. */
import * as NetAddress from "effect/net/NetAddress"
import type { Question } from "../../Misbehaviour.ts"
import type { Device } from "./device.ts"
import type { Transport } from "./table.ts"

const answerBit = 0x80

/** The result codes that both protocols share. */
const success = 0
const unsupportedVersion = 1

/** Result codes (RFC 6886, section 3.5). */
const natPmp = { outOfResources: 4, unsupportedOpcode: 5 }

/** Result codes (RFC 6887, section 7.4). */
const pcp = {
  notAuthorized: 2,
  malformedRequest: 3,
  unsupportedOpcode: 4,
  noResources: 8,
  unsupportedProtocol: 9,
  addressMismatch: 12
}

const pcpVersion = 2
const opcodes = { announce: 0, map: 1 }
const protocolNumbers: Readonly<Record<number, Transport>> = { 6: "TCP", 17: "UDP" }
const headerLength = 24
const mapLength = 60

const write = (length: number, fill: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(length)
  fill(new DataView(bytes.buffer))
  return bytes
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** Which request of either protocol a packet is; undefined when it is none. */
export const questionOf = (router: Device, [version, opcode]: Uint8Array): Question | undefined => {
  if (version === 0 && router.speaks("NAT-PMP")) return opcode === 0 ? "ExternalAddress" : "Map"
  return version === pcpVersion && router.speaks("PCP") && opcode === opcodes.map ? "Map" : undefined
}

/** The answer to a packet from a host; undefined when the router does not answer. */
export const answer = (router: Device, packet: Uint8Array, from: string): Uint8Array | undefined => {
  const bytes = new Uint8Array(packet)
  const [version, opcode] = bytes
  // Answers are not answered.
  if (version === undefined || opcode === undefined || opcode >= answerBit) return undefined
  const view = new DataView(bytes.buffer)
  if (router.misbehaviours.take(["DeafToVersion"], (deaf) => deaf.version === version) !== undefined) {
    router.journal.record(version === 0 ? "NAT-PMP" : "PCP", "UnknownVersion", { version: String(version) })
    return undefined
  }
  if (version === 0 && router.speaks("NAT-PMP")) return answerNatPmp(router, view, opcode, from)
  if (version === pcpVersion && router.speaks("PCP")) return answerPcp(router, bytes, view, opcode, from)
  router.journal.record(version === 0 ? "NAT-PMP" : "PCP", "UnknownVersion", { version: String(version) })
  if (router.speaks("PCP")) return pcpHeader(router, opcode, unsupportedVersion, 0, headerLength)
  return router.speaks("NAT-PMP") ? natPmpHeader(router, opcode, unsupportedVersion, 8) : undefined
}

const refusalOf = ({ misbehaviours }: Device, question: Question) =>
  misbehaviours.take(["Refusal"], ({ at }) => at === question)?.code

const natPmpHeader = (
  router: Device,
  opcode: number,
  code: number,
  length: number,
  fill: (view: DataView) => void = () => {}
) =>
  write(length, (view) => {
    view.setUint8(1, answerBit | opcode)
    view.setUint16(2, code)
    view.setUint32(4, router.epoch())
    fill(view)
  })

const answerNatPmp = (router: Device, request: DataView, opcode: number, from: string): Uint8Array | undefined => {
  if (opcode === 0) {
    router.journal.record("NAT-PMP", "ExternalAddress")
    const code = refusalOf(router, "ExternalAddress")
    if (code !== undefined) return natPmpHeader(router, opcode, code, 12)
    return natPmpHeader(router, opcode, success, 12, (view) =>
      NetAddress.ipv4ToOctets(router.externalIp()).forEach((octet, i) => view.setUint8(8 + i, octet))
    )
  }
  if (opcode > 2) return natPmpHeader(router, opcode, natPmp.unsupportedOpcode, 8)
  if (request.byteLength < 12) return undefined
  const transport = opcode === 1 ? "UDP" : "TCP"
  const [port, wanted, lifetime] = [request.getUint16(4), request.getUint16(6), request.getUint32(8)]
  router.journal.record("NAT-PMP", lifetime === 0 ? "Unmap" : "Map", {
    transport,
    internalPort: String(port),
    externalPort: String(wanted),
    lifetime: String(lifetime)
  })
  const reply = (code: number, externalPort = 0, granted = 0) =>
    natPmpHeader(router, opcode, code, 16, (view) => {
      const cut = router.misbehaviours.take(["ShortPorts"]) === undefined ? 0xffff : 0xff
      view.setUint16(8, port & cut)
      view.setUint16(10, externalPort & cut)
      view.setUint32(12, granted)
    })
  if (lifetime === 0) {
    for (const row of router.table.of(transport, from, port)) router.table.remove(row)
    return reply(success)
  }
  const refused = refusalOf(router, "Map")
  if (refused !== undefined) return reply(refused)
  const known = router.table.of(transport, from, port)[0]
  const externalPort = known?.externalPort ?? router.table.freePort(transport, wanted)
  if (externalPort === undefined) return reply(natPmp.outOfResources)
  const row = { transport, host: from, port, externalPort, lease: lifetime, description: "", nonce: "" } as const
  return reply(success, externalPort, router.keep({ ...row, by: "NAT-PMP" }))
}

const pcpHeader = (
  router: Device,
  opcode: number,
  code: number,
  lifetime: number,
  length: number,
  fill: (view: DataView) => void = () => {}
) =>
  write(length, (view) => {
    view.setUint8(0, pcpVersion)
    view.setUint8(1, answerBit | opcode)
    view.setUint8(3, code)
    view.setUint32(4, lifetime)
    view.setUint32(8, router.epoch())
    fill(view)
  })

const ipText = (bytes: Uint8Array) => NetAddress.formatIp(NetAddress.toCanonical(NetAddress.ipv6FromBytesUnsafe(bytes)))

const answerPcp = (
  router: Device,
  bytes: Uint8Array,
  request: DataView,
  opcode: number,
  from: string
): Uint8Array | undefined => {
  if (bytes.length < headerLength || bytes.length % 4 !== 0) {
    return pcpHeader(router, opcode, pcp.malformedRequest, 0, headerLength)
  }
  const mismatch = ipText(bytes.subarray(8, 24)) !== from
  if (opcode === opcodes.announce) {
    router.journal.record("PCP", "Announce")
    return pcpHeader(router, opcode, mismatch ? pcp.addressMismatch : success, 0, headerLength)
  }
  if (opcode !== opcodes.map) return pcpHeader(router, opcode, pcp.unsupportedOpcode, 0, headerLength)
  if (bytes.length < mapLength) return pcpHeader(router, opcode, pcp.malformedRequest, 0, headerLength)
  const lifetime = request.getUint32(4)
  const nonce = hex(bytes.subarray(24, 36))
  const transport = protocolNumbers[request.getUint8(36)]
  const [port, wanted] = [request.getUint16(40), request.getUint16(42)]
  router.journal.record("PCP", lifetime === 0 ? "Unmap" : "Map", {
    client: ipText(bytes.subarray(8, 24)),
    transport: transport ?? String(request.getUint8(36)),
    nonce,
    internalPort: String(port),
    externalPort: String(wanted),
    lifetime: String(lifetime)
  })
  const reply = (code: number, externalPort = wanted, granted = 0) =>
    pcpHeader(router, opcode, code, granted, mapLength, (view) => {
      const answer = new Uint8Array(view.buffer)
      answer.set(bytes.subarray(24, mapLength), 24)
      view.setUint16(42, externalPort)
      answer.set(NetAddress.ipv6ToOctets(NetAddress.toIpv4Mapped(router.externalIp())), 44)
      // A client takes this for the answer to another request.
      if (router.misbehaviours.take(["WrongNonce"]) !== undefined) view.setUint8(24, view.getUint8(24) ^ 0xff)
    })
  if (mismatch) return reply(pcp.addressMismatch)
  if (transport === undefined) return reply(pcp.unsupportedProtocol)
  const known = router.table.of(transport, from, port)
  // RFC 6887, section 11.2: a client that does not know the nonce may not change the mapping.
  const strangers = known.some((row) => row.by === "PCP" && row.nonce !== nonce)
  if (lifetime === 0) {
    if (strangers) return reply(pcp.notAuthorized)
    for (const row of known) router.table.remove(row)
    return reply(success)
  }
  const refused = refusalOf(router, "Map")
  if (refused !== undefined) return reply(refused)
  if (strangers) return reply(pcp.notAuthorized)
  const externalPort = known[0]?.externalPort ?? router.table.freePort(transport, wanted)
  if (externalPort === undefined) return reply(pcp.noResources)
  const row = { transport, host: from, port, externalPort, lease: lifetime, description: "", nonce } as const
  return reply(success, externalPort, router.keep({ ...row, by: "PCP" }))
}
