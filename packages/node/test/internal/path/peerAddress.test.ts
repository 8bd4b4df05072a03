import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import { acknowledgedProbes, probeSize } from "../../../src/internal/tunables/path.ts"
import { PeerAddress, spend } from "../../../src/internal/path/peerAddress.ts"

const [home, away, beyond] = ["192.0.2.1:1", "192.0.2.2:2", "[2001:db8::3]:3"].map(
  NetAddress.inetAddressFromStringUnsafe
) as [NetAddress.InetAddress, NetAddress.InetAddress, NetAddress.InetAddress]

const number = (value: number, length = 2) => ({ value, length })

/** The compiler must not take it for what it was before. */
const candidateOf = (peer: PeerAddress) => peer.candidate

/** A peer that has proven to be at another address than it was at first. */
const moved = (to: NetAddress.InetAddress, by: number) => {
  const peer = new PeerAddress(home)
  peer.heardElsewhere(to, 100, number(by))
  peer.prove()
  return peer
}

describe("a peer's address", () => {
  it("is the last one that it has proven, whatever comes from others", () => {
    const peer = new PeerAddress(home)
    assert.isTrue(peer.is("192.0.2.1", 1))
    assert.isFalse(peer.is("192.0.2.1", 2))
    assert.isFalse(peer.is("192.0.2.2", 1))
    peer.heardElsewhere(beyond, 1_200, number(7))
    assert.strictEqual(peer.current, home)
    assert.strictEqual(candidateOf(peer)?.address, beyond)
    assert.isTrue(peer.is("192.0.2.1", 1))
    peer.prove()
    assert.strictEqual(peer.current, beyond)
    assert.isUndefined(peer.candidate)
    assert.isTrue(peer.is("2001:db8::3", 3))
    assert.isFalse(peer.is("192.0.2.1", 1))
  })

  it("stays where it is without a candidate", () => {
    const peer = new PeerAddress(home)
    peer.prove()
    assert.strictEqual(peer.current, home)
  })

  it("is no candidate itself: the datagram that proves it comes from there", () => {
    const peer = moved(away, 1)
    peer.heardElsewhere(NetAddress.inetAddressFromStringUnsafe("192.0.2.2:2"), 100, number(2))
    assert.isUndefined(peer.candidate)
  })

  it("is not doubted for a packet that was overtaken by the one that told of it", () => {
    const peer = moved(away, 0x0105)
    peer.heardElsewhere(home, 100, number(0x0104))
    peer.heardElsewhere(beyond, 100, number(0x0001))
    // A packet of the handshake, which has no such number, is older, too.
    peer.heardElsewhere(home, 100, undefined)
    assert.isUndefined(peer.candidate)
    peer.heardElsewhere(home, 100, number(0x0106))
    assert.strictEqual(candidateOf(peer)?.address, home)
  })

  it("compares numbers by what both have, across the end of their range", () => {
    const peer = moved(away, 0xfffe)
    peer.heardElsewhere(home, 100, number(0xfd, 1))
    assert.isUndefined(peer.candidate)
    peer.heardElsewhere(home, 100, number(0x01, 1))
    assert.strictEqual(candidateOf(peer)?.address, home)
  })

  it("is doubted for any packet when so many have come since that numbers tell nothing", () => {
    const peer = new PeerAddress(home)
    peer.heardElsewhere(away, 100, number(200, 1))
    peer.prove()
    for (let i = 0; i < 63; i++) peer.packetArrived()
    peer.heardElsewhere(home, 100, number(150, 1))
    assert.isUndefined(peer.candidate)
    peer.packetArrived()
    peer.heardElsewhere(home, 100, number(150, 1))
    assert.strictEqual(candidateOf(peer)?.address, home)
  })
})

describe("a candidate", () => {
  /** Where so many packets of 1,200 bytes go, each as large as it may be. */
  const next = (peer: PeerAddress, count: number) =>
    Array.from({ length: count }, () => {
      const size = peer.sizeOf(1_200)
      return [peer.targetOf(size), size] as const
    })

  it("has credit for three times what came from there, up to a limit, and no more can be spent", () => {
    const peer = new PeerAddress(home)
    peer.heardElsewhere(away, 100, number(1))
    const candidate = peer.candidate!
    peer.heardElsewhere(away, 50, number(2))
    assert.strictEqual(candidate.credit, 450)
    assert.isFalse(spend(candidate, 451))
    assert.isTrue(spend(candidate, 450))
    assert.isFalse(spend(candidate, 1))
    peer.heardElsewhere(away, 1_000_000, number(3))
    assert.strictEqual(candidate.credit, 9_600)
  })

  it("gives way to a later packet from elsewhere, and begins again without credit", () => {
    const peer = new PeerAddress(home)
    peer.heardElsewhere(away, 1_000, number(5))
    peer.heardElsewhere(beyond, 100, number(4))
    assert.strictEqual(candidateOf(peer)?.address, away)
    peer.heardElsewhere(beyond, 100, number(6))
    assert.deepStrictEqual([candidateOf(peer)?.address, candidateOf(peer)?.credit], [beyond, 300])
    peer.heardElsewhere(away, 100, number(7))
    assert.deepStrictEqual([candidateOf(peer)?.address, candidateOf(peer)?.credit], [away, 300])
  })

  it("is dropped when a later packet comes from the proven address, and not when an earlier one does", () => {
    const peer = new PeerAddress(home)
    peer.heardElsewhere(away, 100, number(5))
    peer.heardHere(number(4))
    peer.heardHere(undefined)
    assert.strictEqual(candidateOf(peer)?.address, away)
    peer.heardHere(number(6))
    assert.isUndefined(peer.candidate)
  })

  it("does not give way to one of which the binding has read nothing, which any host may have named", () => {
    const peer = new PeerAddress(home)
    peer.addCandidate(away, 300)
    peer.addCandidate(beyond, 300)
    assert.strictEqual(candidateOf(peer)?.address, beyond)
    peer.heardElsewhere(away, 100, number(1))
    peer.addCandidate(beyond, 10_000)
    assert.deepStrictEqual([candidateOf(peer)?.address, candidateOf(peer)?.credit], [away, 300])
    peer.addCandidate(away, 100)
    assert.strictEqual(candidateOf(peer)?.credit, 600)
  })

  for (const how of ["read", "not read"] as const) {
    it(`of which the packets are ${how} gets some of what is sent again, every other time, within its credit`, () => {
      const peer = new PeerAddress(home)
      // What is left for the probes.
      const reserve = how === "read" ? acknowledgedProbes * probeSize : 0
      const hear = (bytes: number) =>
        how === "read" ? peer.heardElsewhere(away, bytes, number(1)) : peer.addCandidate(away, bytes)
      hear(20)
      peer.retry()
      assert.deepStrictEqual(next(peer, 1), [[home, 1_200]])
      hear(500)
      assert.deepStrictEqual(next(peer, 1), [[home, 1_200]])
      peer.retry()
      assert.deepStrictEqual(next(peer, 3), [
        [away, 1_200],
        [away, 360 - reserve],
        [home, 1_200]
      ])
      assert.strictEqual(candidateOf(peer)?.credit, reserve)
      hear(10_000)
      peer.retry()
      assert.deepStrictEqual(
        next(peer, 9).map(([to]) => String(to)),
        [...Array.from({ length: 8 }, () => String(away)), String(home)]
      )
      hear(10_000)
      peer.retry()
      peer.retry()
      assert.deepStrictEqual(next(peer, 1), [[home, 1_200]])
      assert.strictEqual(peer.current, home)
    })
  }

  it("whose probes the congestion window holds back may spend all of its credit on what is sent again", () => {
    const peer = new PeerAddress(home)
    peer.heardElsewhere(away, 45, number(1))
    peer.retry()
    assert.deepStrictEqual(next(peer, 1), [[home, 1_200]])
    peer.candidate!.isBlocked = true
    peer.retry()
    assert.deepStrictEqual(next(peer, 2), [
      [away, 135],
      [home, 1_200]
    ])
  })

  it.each(["proven", "dropped", "replaced"] as const)("gets no retransmission any more once it is %s", (how) => {
    const peer = new PeerAddress(home)
    peer.heardElsewhere(away, 10_000, number(1))
    peer.retry()
    if (how === "proven") peer.prove()
    else if (how === "dropped") peer.heardHere(number(2))
    else peer.heardElsewhere(beyond, 1, number(2))
    assert.deepStrictEqual(next(peer, 1), [[peer.current, 1_200]])
  })
})
