import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import { AddressProof } from "../../../src/internal/path/addressProof.ts"
import { type Candidate, PeerAddress } from "../../../src/internal/path/peerAddress.ts"
import {
  acknowledgedProbes,
  firstProofPause,
  longestProofPause,
  probeGroup
} from "../../../src/internal/tunables/path.ts"

const [home, away, beyond] = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.3:3"].map(
  NetAddress.inetAddressFromStringUnsafe
) as [NetAddress.InetAddress, NetAddress.InetAddress, NetAddress.InetAddress]

/** A proof, and a sender that writes down what it makes and what leaves. */
const setup = () => {
  const peer = new PeerAddress(home)
  const proof = new AddressProof(peer)
  const made: Array<number> = []
  const left: Array<readonly [number: number, to: NetAddress.InetAddress]> = []
  const sender = {
    size: 40,
    makes: Infinity,
    /** The number of the next packet. */
    next: 1_000,
    makeProbe: (size: number) => {
      assert.isAtLeast(size, sender.size)
      if (sender.makes <= 0) return undefined
      sender.makes -= 1
      made.push(sender.next)
      return { number: sender.next++, length: sender.size }
    },
    release: (_length: number, { address }: Candidate) => left.push([made.at(-1)!, address])
  }
  let packets = 0
  /** So many bytes come from an address. */
  const hear = (from: NetAddress.InetAddress, bytes: number) =>
    peer.heardElsewhere(from, bytes, { value: packets++, length: 4 })
  const send = (now: number) => {
    const before = left.length
    if (proof.isDue(now)) proof.send(now, sender)
    return left.slice(before).map(([number]) => number)
  }
  const acknowledge = (numbers: ReadonlyArray<number>) => numbers.every((number) => proof.acknowledged(number, number))
  return { acknowledge, hear, left, made, peer, proof, send, sender }
}

describe("the probes to a candidate address", () => {
  it("are one packet of each group of numbers, and the others are withheld", () => {
    const { hear, left, made, proof, send } = setup()
    assert.isFalse(proof.isDue(0))
    hear(away, 1_200)
    send(0)
    assert.strictEqual(made.length, acknowledgedProbes * probeGroup)
    assert.strictEqual(left.length, acknowledgedProbes)
    for (const [i, [number, to]] of left.entries()) {
      assert.strictEqual(Math.floor((number - 1_000) / probeGroup), i)
      assert.strictEqual(to, away)
    }
  })

  it("are at other places in their groups each time", () => {
    const places = new Set<number>()
    for (let i = 0; i < 100; i++) {
      const { hear, send } = setup()
      hear(away, 1_200)
      for (const number of send(0)) places.add((number - 1_000) % probeGroup)
    }
    assert.strictEqual(places.size, probeGroup)
  })

  it("prove it when enough of them are acknowledged, and not before", () => {
    const { acknowledge, hear, peer, proof, send } = setup()
    hear(away, 1_200)
    const numbers = send(0)
    assert.isTrue(acknowledge(numbers.slice(1)))
    // Once more says nothing.
    assert.isTrue(acknowledge(numbers.slice(1)))
    assert.strictEqual(peer.current, home)
    assert.isTrue(acknowledge(numbers.slice(0, 1)))
    assert.strictEqual(peer.current, away)
    assert.isFalse(proof.isPending)
  })

  it("prove nothing to a peer that acknowledges a withheld one: it has made that up", () => {
    const { acknowledge, hear, peer, proof, send } = setup()
    hear(away, 1_200)
    const [first] = send(0) as [number]
    assert.isFalse(proof.acknowledged(0, 2 ** 24))
    // Those beside it, as far as they are in its group.
    if (first > 1_000) assert.isFalse(proof.acknowledged(first - 1, first))
    if (first < 999 + probeGroup) assert.isFalse(proof.acknowledged(first, first + 1))
    assert.isFalse(acknowledge([1_000, 1_001].filter((number) => number !== first)))
    // What comes before and after is not about them.
    assert.isTrue(proof.acknowledged(0, 999))
    assert.isTrue(proof.acknowledged(1_000 + acknowledgedProbes * probeGroup, 2_000))
    assert.strictEqual(peer.current, home)
  })

  it("leave within three times what came from there, and go on where they were with what comes next", () => {
    const { acknowledge, hear, left, peer, send, sender } = setup()
    let heard = 0
    const sent: Array<number> = []
    for (let now = 0; peer.current === home; now += 1) {
      hear(away, 45)
      heard += 45
      const numbers = send(now)
      sent.push(...numbers)
      assert.isAtMost(left.length * sender.size, 3 * heard)
      assert.isTrue(acknowledge(numbers))
      assert.isBelow(now, 3)
    }
    assert.strictEqual(sent.length, acknowledgedProbes)
  })

  it("do not begin for packets that the binding has not read", () => {
    const { made, peer, proof } = setup()
    peer.addCandidate(away, 1_200)
    assert.isFalse(proof.isDue(0))
    assert.deepStrictEqual(made, [])
  })

  it("are sent again after growing pauses while they are not acknowledged, and the late ones count as well", () => {
    const { acknowledge, hear, left, peer, send } = setup()
    hear(away, 10_000)
    const first = send(0)
    assert.deepStrictEqual(send(firstProofPause - 1), [])
    const second = send(firstProofPause)
    assert.strictEqual(second.length, acknowledgedProbes)
    assert.deepStrictEqual(send(3 * firstProofPause - 1), [])
    acknowledge([first[0]!, ...second.slice(1, 4)])
    const third = send(3 * firstProofPause)
    assert.strictEqual(third.length, acknowledgedProbes - 4)
    assert.strictEqual(left.length, 2 * acknowledgedProbes + 2)
    acknowledge(third)
    assert.strictEqual(peer.current, away)
  })

  it("cost an endpoint no more however many addresses a peer names", () => {
    const { hear, made, send } = setup()
    for (let now = 0; now < 60_000; now += 10) {
      hear(NetAddress.inetAddressUnsafe(home.address, 1_000 + (now % 5_000)), 1_200)
      send(now)
    }
    assert.isAtMost(made.length, 12 * acknowledgedProbes * probeGroup)
  })

  it("begin at once again for a peer that has long been quiet", () => {
    const { hear, send } = setup()
    hear(away, 1_200)
    for (let now = 0; now < 60_000; now += 10) {
      hear(now % 20 === 0 ? away : beyond, 1_200)
      send(now)
    }
    hear(home, 1)
    hear(away, 1_200)
    const later = 60_000 + 2 * longestProofPause + 1
    assert.strictEqual(send(later).length, acknowledgedProbes)
    hear(away, 10_000)
    assert.strictEqual(send(later + firstProofPause).length, acknowledgedProbes)
  })

  it("do not count for another candidate, nor for one that has come back", () => {
    const { acknowledge, hear, peer, proof, send } = setup()
    hear(away, 1_200)
    const numbers = send(0)
    hear(beyond, 1)
    proof.isDue(1)
    assert.isTrue(acknowledge(numbers))
    assert.strictEqual(peer.current, home)
    hear(away, 1)
    proof.isDue(2)
    acknowledge(numbers)
    assert.strictEqual(peer.current, home)
  })

  it("do not count when the candidate changes before they are acknowledged, though nothing was sent since", () => {
    const { acknowledge, hear, peer, send } = setup()
    hear(away, 1_200)
    const numbers = send(0)
    hear(beyond, 1)
    acknowledge(numbers)
    assert.strictEqual(peer.current, home)
  })

  it("stop where the binding makes no more, and a group that is not whole does not count", () => {
    const { acknowledge, hear, left, peer, send, sender } = setup()
    hear(away, 1_200)
    sender.makes = acknowledgedProbes * probeGroup - 1
    send(0)
    assert.isTrue(peer.candidate!.isBlocked)
    acknowledge(left.map(([number]) => number))
    assert.strictEqual(peer.current, home)
    sender.makes = Infinity
    const last = send(1)
    assert.isFalse(peer.candidate!.isBlocked)
    acknowledge(last)
    assert.strictEqual(peer.current, away)
  })
})
