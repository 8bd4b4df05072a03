import { assert, describe, it } from "@effect/vitest"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as NetAddress from "effect/net/NetAddress"
import * as PeerGroup from "../../src/internal/PeerGroup.ts"
import * as TransferSlots from "../../src/internal/TransferSlots.ts"

const limits = { maxTransfers: 6, maxTransfersPerPeer: 3, maxTransfersPerNetwork: 4 }

/** A peer with a key of its own at each address and port, unless `key` names another. */
const groupOf = (address: string, key = address) =>
  PeerGroup.make(TestIdentity.make(key).peerId, NetAddress.inetAddressFromStringUnsafe(address))
const holder = (address: string, rate = 1, isComplete = false) => ({ group: groupOf(address), rate, isComplete })
const admit = (open: ReadonlyArray<TransferSlots.Holder>, asker: string) =>
  TransferSlots.admit(open, groupOf(asker), limits)
const times = (count: number, address: string) => Array.from({ length: count }, () => holder(address))

describe("TransferSlots", () => {
  it("gives a peer its share, and no more", () => {
    assert.deepStrictEqual(admit(times(2, "192.0.2.1:1"), "192.0.2.1:1"), { _tag: "Admitted" })
    assert.deepStrictEqual(admit(times(3, "192.0.2.1:1"), "192.0.2.1:1"), {
      _tag: "Refused",
      detail: "busy with 3 other files of yours"
    })
  })

  it.each([
    ["the keys at an IPv4 address", ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4"], "192.0.2.1:5"],
    [
      "the addresses of an IPv6 network",
      ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::ffff:1]:1", "[2001:db8:0:0:a::]:1"],
      "[2001:db8::b]:1"
    ]
  ])("counts %s together", (_, open, asker) => {
    const held = open.map((address) => holder(address))
    assert.deepStrictEqual(admit(held, asker), { _tag: "Refused", detail: "busy with 4 other files from your network" })
    assert.deepStrictEqual(admit(held, "[2001:db8:0:1::1]:1"), { _tag: "Admitted" })
  })

  it("gives the place of the slowest transfer of the network that has most to one that has few", () => {
    const slow = holder("192.0.2.1:2", 0.5)
    const open = [...times(3, "192.0.2.1:1"), slow, holder("192.0.2.9:1", 0.1), holder("192.0.2.8:1", 0.1)]
    assert.deepStrictEqual(admit(open, "198.51.100.1:1"), { _tag: "Displaces", victim: slow })
  })

  it("gives the place of a peer that has most to a peer of the same network", () => {
    const slow = holder("192.0.2.1:1", 0.5)
    const open = [...times(2, "192.0.2.1:1"), slow, holder("192.0.2.1:2", 0.1)]
    assert.deepStrictEqual(admit(open, "192.0.2.1:3"), { _tag: "Displaces", victim: slow })
    // It would have fewer than the other afterwards.
    assert.strictEqual(admit([...times(2, "192.0.2.1:1"), ...times(2, "192.0.2.1:2")], "192.0.2.1:2")._tag, "Refused")
  })

  it("counts a key wherever it is", () => {
    const moved = ["192.0.2.1:1", "198.51.100.1:1", "[2001:db8::1]:1"].map((address) => ({
      group: groupOf(address, "wanderer"),
      rate: 1,
      isComplete: false
    }))
    assert.deepStrictEqual(TransferSlots.admit(moved, groupOf("203.0.113.1:1", "wanderer"), limits), {
      _tag: "Refused",
      detail: "busy with 3 other files of yours"
    })
    assert.deepStrictEqual(admit(moved, "203.0.113.1:1"), { _tag: "Admitted" })
  })

  it("takes no place of another network for a fresh key whose network holds as many, and one of its own network", () => {
    const keys = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"]
    const honest = times(3, "198.51.100.1:1")
    assert.deepStrictEqual(admit([...keys.map((key) => holder(key)), ...honest], "192.0.2.1:4"), {
      _tag: "Refused",
      detail: "busy with 6 other files"
    })
    const own = holder("192.0.2.1:1", 0.5)
    assert.deepStrictEqual(admit([own, own, holder("192.0.2.1:2"), ...honest], "192.0.2.1:4"), {
      _tag: "Displaces",
      victim: own
    })
  })

  it("takes no place from a peer that would have fewer than the asker, nor of a complete file", () => {
    const even = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1", "192.0.2.5:1", "192.0.2.6:1"]
    assert.deepStrictEqual(
      admit(
        even.map((address) => holder(address)),
        "198.51.100.1:1"
      ),
      { _tag: "Refused", detail: "busy with 6 other files" }
    )
    const complete = Array.from({ length: 3 }, () => holder("192.0.2.1:1", 1, true))
    assert.strictEqual(admit([...complete, ...times(3, "192.0.2.2:1")], "198.51.100.1:1")._tag, "Displaces")
    const all = [...complete, ...Array.from({ length: 3 }, () => holder("192.0.2.2:1", 1, true))]
    assert.strictEqual(admit(all, "198.51.100.1:1")._tag, "Refused")
  })
})
