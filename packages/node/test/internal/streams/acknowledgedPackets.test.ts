import { assert, describe, it } from "@effect/vitest"
import { AcknowledgedPackets } from "../../../src/internal/streams/acknowledgedPackets.ts"
import { acknowledge, decrypted } from "../../support/frames.ts"
import { minDatagramSize } from "../../../src/internal/packets/datagramSize.ts"

/** As it lies in its buffer when the binding has taken it: header, packet number, frames, and the tag. */
const packet = (frames: ReadonlyArray<number>, numberLength = 1): Uint8Array =>
  decrypted([...frames, ...Array.from({ length: Math.max(0, 4 - frames.length) }, () => 0)], {
    numberLength,
    tag: 0xee
  })

/** RFC 9000, section 19.3: the largest, the delay, how many more ranges, and how many packets before the largest. */
const ack = (smallest: number, largest: number): ReadonlyArray<number> => [0x02, largest, 0, 0, largest - smallest]

const short = (length = 100): Uint8Array => Uint8Array.from({ length }, (_, i) => (i === 0 ? 0x40 : 0))

const sent = (count: number) => {
  const packets = new AcknowledgedPackets()
  for (let i = 0; i < count; i++) packets.sent(short(), 100)
  return packets
}

describe("packets that were sent", () => {
  it("are acknowledged one after the other", () => {
    const packets = sent(4)
    assert.isFalse(packets.has(0, 0))
    acknowledge(packets, packet(ack(0, 1)))
    assert.isTrue(packets.has(0, 1))
    assert.isTrue(packets.has(1, 1))
    assert.isFalse(packets.has(1, 2))
    acknowledge(packets, packet(ack(2, 3)))
    assert.isTrue(packets.has(0, 3))
    // One that comes late tells nothing new.
    acknowledge(packets, packet(ack(0, 2)))
    assert.isTrue(packets.has(0, 3))
    assert.isFalse(packets.has(4, 3))
  })

  it("show that the path carries large ones when such a packet is acknowledged, and not when a later one is", () => {
    const packets = new AcknowledgedPackets()
    const send = (length: number) => packets.sent(short(length), length)
    for (const length of [1_200, 1_201, 1_300, 100]) send(length)
    acknowledge(packets, packet(ack(0, 0)))
    assert.isFalse(packets.takeLargeArrived())
    acknowledge(packets, packet(ack(0, 1)))
    assert.isTrue(packets.takeLargeArrived())
    assert.isFalse(packets.takeLargeArrived())
    // The next one that is watched leaves after that. It is lost, and the one behind it is small.
    send(1_300)
    send(100)
    acknowledge(packets, packet(ack(5, 5)))
    assert.isFalse(packets.takeLargeArrived())
    send(1_300)
    acknowledge(packets, packet(ack(5, 6)))
    assert.isTrue(packets.takeLargeArrived())
  })

  it("before a gap are not known to be acknowledged, with any packets after it, and those after it are", () => {
    const packets = sent(4)
    acknowledge(packets, packet(ack(0, 0)))
    acknowledge(packets, packet(ack(2, 3)))
    acknowledge(packets, packet(ack(0, 3)))
    for (let i = 0; i < 4; i++) assert.isFalse(packets.has(i, i), `${i}`)
    packets.sent(short(), 100)
    assert.isFalse(packets.has(4, 4))
    acknowledge(packets, packet(ack(2, 4)))
    assert.isTrue(packets.has(4, 4))
  })

  it("before a timer expired or a gap was seen may have been sent twice since", () => {
    const packets = sent(2)
    assert.isTrue(packets.hasNoRetransmissionSince(0))
    packets.expired()
    packets.sent(short(), 100)
    acknowledge(packets, packet(ack(0, 2)))
    assert.isTrue(packets.has(0, 2))
    assert.deepStrictEqual(
      [1, 2].map((number) => packets.hasNoRetransmissionSince(number)),
      [false, true]
    )
    packets.sent(short(), 100)
    packets.sent(short(), 100)
    acknowledge(packets, packet(ack(4, 4)))
    assert.deepStrictEqual(
      [4, 5].map((number) => packets.hasNoRetransmissionSince(number)),
      [false, true]
    )
  })

  it("are no longer tracked when one is acknowledged that was never sent", () => {
    const packets = sent(2)
    acknowledge(packets, packet(ack(0, 2)))
    packets.sent(short(), 100)
    packets.sent(short(), 100)
    acknowledge(packets, packet(ack(0, 3)))
    assert.isFalse(packets.has(0, 1))
    assert.isFalse(packets.has(3, 3))
  })

  it("are counted if they have a short header, behind others in a datagram too", () => {
    // An Initial and a Handshake packet with a length of 5, for connections without ids.
    const initial = [0xc0, 0, 0, 0, 1, 0, 0, 0, 5, 1, 2, 3, 4, 5]
    const handshake = [0xe0, 0, 0, 0, 1, 0, 0, 5, 1, 2, 3, 4, 5]
    const rows: ReadonlyArray<readonly [ReadonlyArray<number>, number]> = [
      [initial, 0],
      [[...initial, ...handshake], 0],
      [[...initial, ...handshake, ...short()], 1],
      [[...handshake, ...short()], 1],
      // What is left of a datagram with an Initial packet is zeros.
      [[...initial, ...Array.from({ length: 50 }, () => 0)], 0],
      [[...short()], 1]
    ]
    for (const [bytes, count] of rows) {
      const packets = new AcknowledgedPackets()
      // The buffer is longer than what was written into it.
      packets.sent(Uint8Array.from([...bytes, 0x40, 0x40]), bytes.length)
      assert.strictEqual(packets.next, count, `${bytes.length} bytes`)
    }
  })
})

describe("a received packet", () => {
  const acknowledges = (it: Uint8Array, count = 1): boolean => {
    const packets = sent(count)
    acknowledge(packets, it)
    return packets.has(0, count - 1)
  }

  it("acknowledges with every length of its number, behind PING frames, and with ECN counts", () => {
    for (const length of [1, 2, 3, 4]) assert.isTrue(acknowledges(packet(ack(0, 0), length)))
    assert.isTrue(acknowledges(packet([1, 1, ...ack(0, 0)])))
    assert.isTrue(acknowledges(packet([0x03, 0, 0, 0, 0, 0, 0, 0])))
    // Numbers of two and four bytes (RFC 9000, section 16).
    assert.isTrue(acknowledges(packet([0x02, 0x40, 99, 0x80, 1, 0, 0, 0, 0x40, 99]), 100))
  })

  it("tells nothing if it was not decrypted, failed authentication, or has no acknowledgement", () => {
    const whole = packet(ack(0, 0))
    assert.isFalse(acknowledges(whole.subarray(0, 40)))
    const zeros = whole.slice()
    zeros.fill(0, 22, zeros.length - 16)
    assert.isFalse(acknowledges(zeros))
    assert.isFalse(acknowledges(packet([0x06, 0, 0, 0, 0])))
    // A frame that would reach into the tag.
    assert.isFalse(acknowledges(packet([1, 0x02, 0, 0, 0])))
    assert.isFalse(acknowledges(packet([0x02, 0x80])))
  })
})

describe("whether everything has left", () => {
  it("is shown by room for a packet, less what was sent since the window was last known", () => {
    const packets = sent(3)
    assert.isTrue(packets.hasLeft(minDatagramSize + 600))
    assert.isFalse(packets.hasLeft(minDatagramSize + 599))
    acknowledge(packets, packet(ack(0, 1)))
    assert.isTrue(packets.hasLeft(minDatagramSize))
    // An older one is no news.
    packets.sent(short(), 100)
    acknowledge(packets, packet(ack(0, 0)))
    assert.isFalse(packets.hasLeft(minDatagramSize))
  })

  it("is not shown by the window until the packets have left that a timer sends without regard to it", () => {
    const packets = sent(3)
    packets.expired()
    assert.isFalse(packets.hasLeft(2 ** 40))
    packets.sent(short(), 100)
    acknowledge(packets, packet(ack(0, 3)))
    assert.isFalse(packets.hasLeft(2 ** 40))
    packets.sent(short(), 100)
    assert.isFalse(packets.hasLeft(2 ** 40))
    acknowledge(packets, packet(ack(0, 4)))
    assert.isTrue(packets.hasLeft(minDatagramSize))
  })
})
