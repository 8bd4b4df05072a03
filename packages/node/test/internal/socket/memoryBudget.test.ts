import { assert, describe, it } from "@effect/vitest"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type * as NetAddress from "effect/net/NetAddress"
import { ipGroup, ipGroupOf } from "../../../src/internal/socket/ipGroup.ts"
import { type Holder, MemoryBudget } from "../../../src/internal/socket/memoryBudget.ts"
import { address } from "../../support/quicSockets.ts"

class Peer implements Holder {
  unread = 0
  isHeldBack = false
  readonly closes: Array<number> = []
  readonly ipGroup: string
  readonly remoteAddress: NetAddress.InetAddress
  constructor(host: string) {
    this.remoteAddress = address(`${host}:7`)
    this.ipGroup = ipGroup(this.remoteAddress.address)
  }

  close(code: number): void {
    this.closes.push(code)
  }
}

const setup = (...hosts: ReadonlyArray<string>) => {
  const peers = hosts.map((host) => new Peer(host))
  const overloads: Array<number> = []
  const budget = new MemoryBudget<Peer>({
    limit: 1_000,
    onOverload: (_peer, unread) => overloads.push(unread)
  })
  const change = (i: number, by: number) => {
    peers[i]!.unread += by
    budget.change(peers[i]!, by)
  }
  return {
    budget,
    change,
    overloads,
    peers,
    closed: () => peers.flatMap(({ closes }, i) => (closes.length > 0 ? [i] : [])),
    heldBack: () => peers.flatMap(({ isHeldBack }, i) => (isHeldBack ? [i] : []))
  }
}

describe("the limit for all connections", () => {
  it("closes the largest connection of the IP address that has most, and not a larger one of another address", () => {
    const it = setup("192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2", "192.0.2.3")
    it.change(0, 290)
    for (const i of [1, 2]) it.change(i, 140)
    it.change(3, 150)
    it.change(4, 270)
    assert.deepStrictEqual(it.closed(), [])
    it.change(1, 15)
    assert.deepStrictEqual(it.closed(), [1])
    assert.deepStrictEqual(it.peers[1]!.closes, [ErrorCode.overloaded])
    assert.deepStrictEqual(it.overloads, [155])
  })

  it("holds the largest back before, and lets it go on once there is room", () => {
    const it = setup("127.0.0.1", "127.0.0.1", "127.0.0.1")
    it.change(0, 300)
    it.change(1, 440)
    assert.deepStrictEqual(it.heldBack(), [])
    it.change(0, 20)
    assert.deepStrictEqual(it.heldBack(), [1])
    // The next in size is next.
    it.change(2, 10)
    assert.deepStrictEqual(it.heldBack(), [0, 1])
    it.change(2, -10)
    assert.deepStrictEqual(it.heldBack(), [0, 1])
    it.change(1, -440)
    assert.deepStrictEqual(it.heldBack(), [])
    assert.deepStrictEqual(it.closed(), [])
  })

  it("lets one go on that has ended or been read, also while the others leave no room", () => {
    const it = setup("127.0.0.1", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    it.change(1, 300)
    it.change(2, 250)
    it.change(3, 240)
    assert.deepStrictEqual(it.heldBack(), [1])
    it.change(3, -20)
    it.change(0, 25)
    it.change(1, -300)
    it.change(0, 250)
    assert.isFalse(it.peers[1]!.isHeldBack)
  })
})

describe("the limit for one IP address", () => {
  for (const [kind, hosts] of [
    ["address", ["192.0.2.1", "192.0.2.1", "192.0.2.9"]],
    ["/64 of IPv6", ["[2001:db8:0:1::1]", "[2001:db8:0:1:ffff::2]", "[2001:db8:0:2::1]"]]
  ] as const) {
    it(`keeps one ${kind} at half of the whole, and leaves room for the others`, () => {
      const it = setup(...hosts)
      it.change(0, 180)
      it.change(1, 190)
      assert.deepStrictEqual(it.heldBack(), [])
      it.change(0, 15)
      assert.deepStrictEqual(it.heldBack(), [0])
      it.change(2, 100)
      it.change(1, 116)
      assert.deepStrictEqual(it.closed(), [1])
      assert.isTrue(it.budget.isBehind)
      it.change(1, -306)
      assert.isFalse(it.budget.isBehind)
      assert.deepStrictEqual(it.heldBack(), [])
    })
  }

  it("is not for peers on this machine", () => {
    const it = setup("127.0.0.1", "[::1]")
    it.change(0, 600)
    it.change(1, 100)
    assert.deepStrictEqual([...it.heldBack(), ...it.closed()], [])
  })
})

describe("the group of an IP address", () => {
  const group = (text: string) => ipGroupOf(address(text))

  it("is the address, or the /64 of IPv6", () => {
    assert.notStrictEqual(group("192.0.2.1:1"), group("192.0.2.2:1"))
    assert.strictEqual(group("192.0.2.1:1"), group("192.0.2.1:2"))
    assert.strictEqual(group("192.0.2.1:1"), group("[::ffff:192.0.2.1]:1"))
    assert.strictEqual(group("[2001:db8::1]:1"), group("[2001:db8:0:0:9::2]:1"))
    assert.notStrictEqual(group("[2001:db8::1]:1"), group("[2001:db8:0:1::1]:1"))
  })

  it("has the zone of a link-local address", () => {
    assert.strictEqual(group("[fe80::1%2]:1"), group("[fe80::2%2]:1"))
    assert.notStrictEqual(group("[fe80::1%2]:1"), group("[fe80::1%3]:1"))
  })
})
