import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { connectionIdLength } from "../../../src/internal/packets/connectionId.ts"
import { PacketReceiver } from "../../../src/internal/path/packetReceiver.ts"
import { PeerAddress } from "../../../src/internal/path/peerAddress.ts"

const [home, away] = ["192.0.2.1:1", "192.0.2.2:2"].map(NetAddress.inetAddressFromStringUnsafe) as [
  NetAddress.InetAddress,
  NetAddress.InetAddress
]

/** A packet with a short header and this number, as the binding leaves it. */
const oneRtt = (number: number): Uint8Array => {
  const packet = new Uint8Array(1 + connectionIdLength + 1 + 20)
  packet[0] = 0x40
  packet[1 + connectionIdLength] = number
  return packet
}

/** A packet of the handshake, of so many bytes, with ids of no bytes. */
const handshake = (length: number): Uint8Array => {
  const packet = new Uint8Array(length)
  packet.set([0xe0, 0, 0, 0, 1, 0, 0, 0x40, 0])
  // All of it is one packet.
  packet[7] = 0x40 | ((length - 9) >> 8)
  packet[8] = (length - 9) & 0xff
  return packet
}

/** A connection whose binding authenticates what it receives, or not, as a test says. */
const setup = () => {
  const binding = { authenticates: true, received: 0, asked: 0, from: new Set<string>() }
  const native = {
    recv: (_packet: Uint8Array, { from }: { readonly from: { readonly host: string; readonly port: number } }) => {
      binding.from.add(`${from.host}:${from.port}`)
      if (!binding.authenticates) throw new Error("CryptoFail")
      binding.received += 1
    },
    isEstablished: () => false,
    stats: () => {
      binding.asked += 1
      return { recv: binding.received }
    }
  } as unknown as NativeConnection
  const peer = new PeerAddress(home)
  /** What reading the frames of the next packet brings about. */
  let onFrames = () => {}
  const receiver = new PacketReceiver({
    native,
    peer,
    from: { host: "192.0.2.1", port: 1 },
    to: { host: "192.0.2.9", port: 9 },
    frames: { violation: undefined, take: () => onFrames(), takeHandshake: () => {}, longHeaderTaken: () => {} }
  })
  /** The next packet has the last of the acknowledgements that prove the candidate. */
  const proveNext = () => {
    onFrames = () => {
      onFrames = () => {}
      peer.prove()
    }
  }
  return { binding, peer, proveNext, receiver }
}

describe("a peer whose packets come from another address", () => {
  it("may be there after one that the binding has authenticated, and is there when it has proven it: the binding never learns", () => {
    const { binding, peer, proveNext, receiver } = setup()
    assert.isFalse(receiver.receive(oneRtt(1), undefined, true, true))
    assert.isFalse(receiver.receive(oneRtt(2), away, true, true))
    assert.strictEqual(peer.current, home)
    assert.strictEqual(peer.candidate?.address, away)
    assert.strictEqual(peer.candidate?.credit, 3 * oneRtt(2).length)
    proveNext()
    assert.isTrue(receiver.receive(oneRtt(3), away, true, true))
    assert.strictEqual(peer.current, away)
    assert.isUndefined(peer.candidate)
    assert.isFalse(receiver.receive(oneRtt(4), undefined, true, true))
    assert.deepStrictEqual([...binding.from], ["192.0.2.1:1"])
  })

  it("is not there by many that came from there, and it is where it was when a later one comes from there", () => {
    const { peer, receiver } = setup()
    for (let number = 2; number < 50; number++) {
      assert.isFalse(receiver.receive(oneRtt(number), away, true, true))
      assert.strictEqual(peer.current, home)
    }
    assert.isFalse(receiver.receive(oneRtt(1), undefined, true, true))
    assert.strictEqual(peer.candidate?.address, away)
    assert.isFalse(receiver.receive(oneRtt(50), undefined, true, true))
    assert.isUndefined(peer.candidate)
  })

  it("is still there after any number of packets to ids that are not this connection's, which other hosts may send", () => {
    const { binding, peer, receiver } = setup()
    receiver.receive(oneRtt(9), away, true, true)
    binding.authenticates = false
    for (let i = 0; i < 100; i++) receiver.receive(oneRtt(1), undefined, true, false)
    binding.authenticates = true
    // One that was sent before, and has come late.
    receiver.receive(oneRtt(8), undefined, true, true)
    assert.strictEqual(peer.candidate?.address, away)
  })

  it("is not looked for where one came from that is forged, replayed or damaged", () => {
    const { binding, peer, receiver } = setup()
    binding.authenticates = false
    assert.isFalse(receiver.receive(oneRtt(2), away, true, true))
    assert.strictEqual(peer.current, home)
    assert.isUndefined(peer.candidate)
  })

  it("is not looked for where one came from that was overtaken by the one that told of the new address", () => {
    const { peer, proveNext, receiver } = setup()
    receiver.receive(oneRtt(9), away, true, true)
    proveNext()
    assert.isTrue(receiver.receive(oneRtt(10), away, true, true))
    assert.isFalse(receiver.receive(oneRtt(8), home, true, true))
    assert.isUndefined(peer.candidate)
    assert.strictEqual(peer.current, away)
  })

  it("is not followed before the handshake is complete", () => {
    const { peer, receiver } = setup()
    assert.isFalse(receiver.receive(handshake(1_200), away, false, true))
    assert.isUndefined(peer.candidate)
  })

  it("may be there when only handshake packets come, which the binding cannot read any more", () => {
    const { binding, peer, receiver } = setup()
    binding.authenticates = false
    assert.isFalse(receiver.receive(handshake(1_200), away, true, true))
    assert.strictEqual(peer.current, home)
    assert.strictEqual(peer.candidate?.address, away)
    peer.retry()
    assert.strictEqual(peer.targetOf(1_200), away)
  })
})

describe("a peer that stays where it is", () => {
  it("costs no look at the binding's counters", () => {
    const { binding, receiver } = setup()
    for (let number = 0; number < 10; number++) receiver.receive(oneRtt(number), undefined, true, true)
    assert.strictEqual(binding.received, 10)
    assert.strictEqual(binding.asked, 0)
  })
})
