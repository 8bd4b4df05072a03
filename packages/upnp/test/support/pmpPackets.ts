/**
 * Packets of NAT-PMP and PCP for tests: written as digits, made up, and answered by a fake gateway.
 */
import { assert } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as fc from "fast-check"
import * as fake from "./fakePmpGateway.ts"

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
export const bytes = (digits: string) => new Uint8Array(Buffer.from(digits.replace(/[\s|]/g, ""), "hex"))
export const digits = (text: string) => text.replace(/[\s|]/g, "")

export const ipv4 = (text: string) => {
  const address = NetAddress.ipFromStringUnsafe(text)
  assert.isTrue(NetAddress.isIpv4Address(address))
  return address as NetAddress.Ipv4Address
}
export const inet = (text: string) => NetAddress.inetAddressFromStringUnsafe(text) as NetAddress.InetAddressV4

export const port = fc.integer({ min: 0, max: 0xffff })
export const seconds = fc.integer({ min: 0, max: 0xffff_ffff })
export const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
export const ipv4Address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(NetAddress.ipv4FromBytesUnsafe)

/** Reads a packet where it does not start at the start of its buffer, as the packets of a socket do not. */
export const shifted = (packet: Uint8Array): Uint8Array => {
  const larger = new Uint8Array(packet.length + 7).fill(0xee)
  larger.set(packet, 3)
  return larger.subarray(3, 3 + packet.length)
}

export const gatewayAt = (epoch: number) => {
  const gateway = new fake.FakePmpGateway(() => epoch * 1_000)
  gateway.epoch = () => epoch
  return gateway
}

export const replyTo = (request: Uint8Array, behaviour: fake.Behaviour, epoch: number): Uint8Array => {
  const gateway = gatewayAt(epoch)
  gateway.answer("PcpMap", behaviour)
  gateway.answer("ExternalAddress", behaviour)
  gateway.answer("PmpMap", behaviour)
  const [reply] = gateway.receive(request)
  assert.instanceOf(reply, Uint8Array)
  return reply
}
