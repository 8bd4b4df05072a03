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

const MiB = 2 ** 20

/** A budget of 1,000 MiB. Its numbers here are MiB. */
const setup = (...hosts: ReadonlyArray<string>) => {
  const peers = hosts.map((host) => new Peer(host))
  const overloads: Array<number> = []
  const budget = new MemoryBudget<Peer>({
    limit: 1_000 * MiB,
    onOverload: (_peer, unread) => overloads.push(unread / MiB)
  })
  const change = (i: number, by: number) => {
    peers[i]!.unread += by * MiB
    budget.change(peers[i]!, by * MiB)
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
  it("holds the largest back from three quarters on, then the next, and lets them go on once there is room", () => {
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

  it("looks first at the IP address with the most that has one to hold back, then at the next", () => {
    const it = setup("192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3")
    it.change(0, 260)
    it.change(1, 150)
    it.change(2, 160)
    it.change(3, 190)
    assert.deepStrictEqual(it.heldBack(), [2])
    it.change(3, 1)
    it.change(3, 1)
    assert.deepStrictEqual(it.heldBack(), [0, 1, 2])
    it.change(3, 1)
    assert.deepStrictEqual(it.heldBack(), [0, 1, 2, 3])
    assert.deepStrictEqual(it.closed(), [])
  })

  it("looks at no others when one grows that is held back already", () => {
    const it = setup("127.0.0.1", "127.0.0.1")
    it.change(0, 440)
    it.change(1, 320)
    assert.deepStrictEqual(it.heldBack(), [0])
    const other = it.peers[1]!
    const { unread } = other
    let looks = 0
    Object.defineProperty(other, "unread", {
      get: () => {
        looks += 1
        return unread
      }
    })
    for (let i = 0; i < 10; i++) it.change(0, 1)
    assert.deepStrictEqual([looks, it.heldBack()], [0, [0]])
    // Above the limit, one of them is closed.
    it.change(0, 240)
    assert.isAbove(looks, 0)
  })

  it("never holds one back for what each may hold, also while the others leave no room", () => {
    const it = setup("127.0.0.1", "127.0.0.1")
    it.change(0, 900)
    it.change(1, 1 / 16)
    assert.deepStrictEqual(it.heldBack(), [0])
    it.change(1, 1 / 16)
    assert.deepStrictEqual(it.heldBack(), [0, 1])
    it.change(1, -1 / 16)
    assert.deepStrictEqual(it.heldBack(), [0])
  })

  it("closes the largest once all are held back, and the limit is exceeded by more than one turn takes", () => {
    const it = setup("192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3")
    it.change(0, 350)
    it.change(1, 200)
    it.change(2, 201)
    it.change(3, 100)
    it.change(3, 100)
    it.change(3, 50)
    assert.deepStrictEqual(it.heldBack(), [0, 1, 2, 3])
    it.change(3, 2)
    assert.deepStrictEqual(it.closed(), [])
    it.change(3, 2)
    assert.deepStrictEqual(it.closed(), [2])
    assert.deepStrictEqual(it.peers[2]!.closes, [ErrorCode.overloaded])
    assert.deepStrictEqual(it.overloads, [201])
  })

  it("closes none that is held back and grows no more, however long the limit is nearly reached", () => {
    const it = setup("192.0.2.1", "192.0.2.2")
    it.change(0, 400)
    it.change(1, 400)
    for (let i = 0; i < 100; i++) it.budget.tick(1_000)
    assert.deepStrictEqual(it.closed(), [])
  })

  it("is filled by what the whole of it holds, or by what the share of an IP address does", () => {
    const it = setup("192.0.2.1", "192.0.2.2")
    it.change(0, 250)
    it.change(1, 200)
    assert.strictEqual(it.budget.fill(it.peers[0]!), 0.5)
    assert.strictEqual(it.budget.fill(it.peers[1]!), 0.45)
  })
})

describe("of the IP addresses with connections that are held back", () => {
  const graced = (it: ReturnType<typeof setup>) => {
    const held = it.heldBack()
    return it.peers.flatMap((_, i) => (held.includes(i) ? [] : [i]))
  }
  const crowd = () => {
    const it = setup("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    it.change(0, 150)
    it.change(1, 150)
    it.change(2, 240)
    it.change(3, 210)
    for (let i = 0; i < 4; i++) it.change(3, 1)
    assert.deepStrictEqual(graced(it), [])
    return it
  }

  it("the one that holds least has the first grace, and each has one in a round", () => {
    const it = crowd()
    const order: Array<number> = []
    for (let i = 0; i < 6; i++) {
      it.budget.tick(1_000)
      order.push(...graced(it))
    }
    assert.deepStrictEqual(order, [3, 2, 0, 3, 2, 1])
  })

  it("one that comes later and holds less has the next grace", () => {
    const it = setup("192.0.2.1", "192.0.2.2", "192.0.2.3")
    it.change(0, 370)
    it.change(1, 370)
    for (const i of [0, 1]) it.change(i, 6)
    it.budget.tick(1_000)
    assert.deepStrictEqual(it.heldBack().length, 1)
    it.change(2, 1)
    assert.isTrue(it.peers[2]!.isHeldBack)
    it.budget.tick(1_000)
    assert.deepStrictEqual(it.heldBack(), [0, 1])
  })

  it("one near its own limit does not make the others wait", () => {
    const it = setup("192.0.2.1", "192.0.2.2")
    it.change(0, 460)
    it.change(1, 300)
    it.change(1, 1)
    assert.deepStrictEqual(it.heldBack(), [0, 1])
    for (let i = 0; i < 3; i++) {
      it.budget.tick(1_000)
      assert.deepStrictEqual(it.heldBack(), [0])
    }
  })
})

describe("of those that are held back", () => {
  const crowd = () => {
    const it = setup("127.0.0.1", "127.0.0.1", "127.0.0.1")
    for (const i of [0, 1, 2]) it.change(i, 255)
    for (const i of [0, 1, 2]) it.change(i, 1)
    assert.deepStrictEqual(it.heldBack(), [0, 1, 2])
    return it
  }
  const goingOn = (it: ReturnType<typeof crowd>) => {
    const held = it.heldBack()
    return [0, 1, 2].filter((i) => !held.includes(i))
  }

  it("one goes on as long as it grows, then another, and each gets its turn", () => {
    const it = crowd()
    const order: Array<number> = []
    for (let turn = 0; turn < 3; turn++) {
      it.budget.tick(1_000)
      const [now] = goingOn(it)
      order.push(now!)
      for (let i = 0; i < 3; i++) {
        it.change(now!, 1)
        it.budget.tick(1_000)
        assert.deepStrictEqual(goingOn(it), [now])
      }
    }
    assert.deepStrictEqual(order.toSorted(), [0, 1, 2])
  })

  it("one that stands still makes way for the next", () => {
    const it = crowd()
    const order: Array<number> = []
    for (let i = 0; i < 4; i++) {
      it.budget.tick(1_000)
      order.push(...goingOn(it))
    }
    assert.deepStrictEqual(new Set(order.slice(0, 3)).size, 3)
    assert.strictEqual(order[3], order[0])
  })

  it("one that grows for long makes way, too", () => {
    const it = crowd()
    it.budget.tick(1_000)
    const [first] = goingOn(it)
    for (let i = 0; i < 29; i++) {
      it.change(first!, 1 / 8)
      it.budget.tick(1_000)
    }
    assert.deepStrictEqual(goingOn(it), [first])
    it.change(first!, 1 / 8)
    it.budget.tick(1_000)
    assert.notDeepEqual(goingOn(it), [first])
  })

  it("none goes on when the limit is near", () => {
    const it = crowd()
    it.budget.tick(1_000)
    const [first] = goingOn(it)
    it.change(first!, 131)
    assert.deepStrictEqual(goingOn(it), [first])
    it.change(first!, 1)
    assert.deepStrictEqual(goingOn(it), [])
    it.budget.tick(1_000)
    assert.deepStrictEqual(goingOn(it), [])
    assert.deepStrictEqual(it.closed(), [])
  })

  it("one whose message is complete is not held back again, and the others go on with the room", () => {
    const it = crowd()
    it.budget.tick(1_000)
    const [first] = goingOn(it)
    it.change(first!, -256)
    assert.deepStrictEqual(it.heldBack(), [])
    it.budget.tick(1_000)
    assert.deepStrictEqual(it.heldBack(), [])
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
      it.change(1, 114)
      assert.deepStrictEqual(it.heldBack(), [0, 1])
      it.change(1, 5)
      assert.deepStrictEqual(it.closed(), [])
      it.change(1, 1)
      assert.deepStrictEqual(it.closed(), [1])
      assert.isTrue(it.budget.isBehind(it.peers[1]!.ipGroup))
      it.change(1, -310)
      assert.isFalse(it.budget.isBehind(it.peers[1]!.ipGroup))
      assert.deepStrictEqual(it.heldBack(), [])
    })
  }

  it("keeps no newcomer of another address out, however much two of them hold", () => {
    const it = setup("192.0.2.1", "192.0.2.2", "192.0.2.3")
    const isBehind = () => it.peers.map(({ ipGroup }) => it.budget.isBehind(ipGroup))
    it.change(0, 400)
    assert.deepStrictEqual(isBehind(), [false, false, false])
    it.change(1, 400)
    assert.deepStrictEqual(isBehind(), [true, true, false])
    // What each connection may hold does not count.
    it.change(2, 1 / 16)
    assert.deepStrictEqual(isBehind(), [true, true, false])
    it.change(2, 1 / 16)
    assert.deepStrictEqual(isBehind(), [true, true, true])
  })

  it("is not for peers on this machine", () => {
    const it = setup("127.0.0.1", "[::1]")
    it.change(0, 600)
    it.change(1, 149)
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
