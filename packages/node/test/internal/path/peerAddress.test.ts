import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import { PeerAddress } from "../../../src/internal/path/peerAddress.ts"

const [home, away, beyond] = ["192.0.2.1:1", "192.0.2.2:2", "[2001:db8::3]:3"].map(
  NetAddress.inetAddressFromStringUnsafe
) as [NetAddress.InetAddress, NetAddress.InetAddress, NetAddress.InetAddress]

/** Where the next packets go when nothing is heard. */
const targets = (peer: PeerAddress) =>
  Array.from({ length: 4 }, () => {
    peer.retry()
    return peer.target
  })

describe("a peer's address", () => {
  it("is where its latest packet came from, at once", () => {
    const peer = new PeerAddress(home)
    assert.isTrue(peer.is("192.0.2.1", 1))
    assert.isFalse(peer.is("192.0.2.1", 2))
    assert.isFalse(peer.is("192.0.2.2", 1))
    peer.move(beyond, undefined)
    assert.strictEqual(peer.current, beyond)
    assert.strictEqual(peer.target, beyond)
    assert.isTrue(peer.is("2001:db8::3", 3))
  })

  it("is tried by turns with the one before, until a second packet has come from it", () => {
    const peer = new PeerAddress(home)
    assert.deepStrictEqual(targets(peer), [home, home, home, home])
    peer.move(away, undefined)
    assert.isTrue(peer.needsValidation)
    assert.deepStrictEqual(targets(peer), [home, away, home, away])
    assert.strictEqual(peer.current, away)
    peer.retry()
    peer.validate()
    assert.isFalse(peer.needsValidation)
    assert.strictEqual(peer.target, away)
    assert.deepStrictEqual(targets(peer), [away, away, away, away])
  })

  it("is tried with the last validated one, however many have come since", () => {
    const peer = new PeerAddress(home)
    peer.move(away, undefined)
    peer.move(beyond, undefined)
    assert.deepStrictEqual(targets(peer), [home, beyond, home, beyond])
  })

  it("is validated when the peer is back where it was", () => {
    const peer = new PeerAddress(home)
    peer.move(away, undefined)
    peer.move(NetAddress.inetAddressFromStringUnsafe("192.0.2.1:1"), undefined)
    assert.isFalse(peer.needsValidation)
    assert.deepStrictEqual(targets(peer).map(String), ["192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:1"])
  })

  it("is not changed by a packet that was overtaken by the one that told of it", () => {
    const peer = new PeerAddress(home)
    assert.isTrue(peer.move(away, { value: 0x0105, length: 2 }))
    assert.isFalse(peer.move(home, { value: 0x0104, length: 2 }))
    assert.isFalse(peer.move(beyond, { value: 0x0001, length: 2 }))
    assert.strictEqual(peer.current, away)
    assert.isTrue(peer.move(home, { value: 0x0106, length: 2 }))
    assert.strictEqual(peer.current, home)
  })

  it("compares numbers by what both have, across the end of their range", () => {
    const peer = new PeerAddress(home)
    peer.move(away, { value: 0xfffe, length: 2 })
    assert.isFalse(peer.move(home, { value: 0xfd, length: 1 }))
    assert.isTrue(peer.move(home, { value: 0x01, length: 1 }))
    assert.isFalse(peer.move(away, { value: 0xffff, length: 2 }))
  })

  it("is changed by any packet when so many have come since that numbers tell nothing", () => {
    const peer = new PeerAddress(home)
    peer.move(away, { value: 200, length: 1 })
    for (let i = 0; i < 63; i++) peer.packetArrived()
    assert.isFalse(peer.move(home, { value: 150, length: 1 }))
    peer.packetArrived()
    assert.isTrue(peer.move(home, { value: 150, length: 1 }))
  })
})

describe("a candidate, from which only packets come that validate nothing", () => {
  /** Where so many packets of 1,200 bytes go. */
  const next = (peer: PeerAddress, count: number) => Array.from({ length: count }, () => peer.targetOf(1_200))

  it("gets some of what is sent again, every other time, and no more than three times what came", () => {
    const peer = new PeerAddress(home)
    peer.addCandidate(away, 300)
    peer.retry()
    assert.deepStrictEqual(next(peer, 2), [home, home])
    peer.addCandidate(away, 600)
    assert.isTrue(peer.needsValidation)
    assert.deepStrictEqual(next(peer, 1), [home])
    peer.retry()
    assert.deepStrictEqual(next(peer, 3), [away, away, home])
    peer.addCandidate(away, 10_000)
    peer.retry()
    assert.deepStrictEqual(next(peer, 9).map(String), [...Array.from({ length: 8 }, () => String(away)), String(home)])
    peer.addCandidate(away, 10_000)
    peer.retry()
    peer.retry()
    assert.deepStrictEqual(next(peer, 1), [home])
    assert.strictEqual(peer.current, home)
  })

  it("counts for itself: what came from another one does not count", () => {
    const peer = new PeerAddress(home)
    peer.addCandidate(away, 10_000)
    peer.addCandidate(beyond, 300)
    peer.retry()
    assert.deepStrictEqual(next(peer, 1), [home])
  })

  it.each(["validate", "move"] as const)("is forgotten when the peer's own packets come: %s", (how) => {
    const peer = new PeerAddress(home)
    peer.addCandidate(away, 10_000)
    peer.retry()
    if (how === "validate") peer.validate()
    else peer.move(home, undefined)
    assert.deepStrictEqual(next(peer, 1), [home])
    peer.retry()
    assert.deepStrictEqual(next(peer, 1), [home])
    assert.isFalse(peer.needsValidation)
  })
})
