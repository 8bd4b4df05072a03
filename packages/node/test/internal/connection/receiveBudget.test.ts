import { assert, describe, it } from "@effect/vitest"
import { ReceiveBudget } from "../../../src/internal/connection/receiveBudget.ts"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import * as tunables from "../../../src/internal/tunables/memory.ts"
import { initialStreamWindow } from "../../../src/internal/tunables/streams.ts"

/** While there is nothing to read, and while there is. */
const budget = tunables.unexplainedBytes + tunables.maxOutOfOrder
const readableBudget = tunables.unexplainedBytes + tunables.maxUnread
const MiB = 1 << 20

/** The budget of a connection that has authenticated everything, unless told otherwise. */
const setup = (options: { readonly recvBytes?: number; readonly readable?: () => boolean } = {}) =>
  new ReceiveBudget(
    {
      isReadable: options.readable ?? (() => false),
      stats: () => ({ recvBytes: options.recvBytes ?? Infinity })
    } as unknown as NativeConnection,
    { onUnread: () => {} }
  )

/** A turn that takes one packet of `bytes`, of which `read` are stream data. */
const turn = (receiveBudget: ReceiveBudget, bytes: number, read: number): string | undefined => {
  receiveBudget.received(bytes)
  receiveBudget.read(read)
  return receiveBudget.audit(1, read)
}

describe("the budget for what is no data", () => {
  it("is not touched by any amount of data", () => {
    const receiveBudget = setup()
    for (let i = 0; i < 10_000; i++) assert.isUndefined(turn(receiveBudget, MiB + 50_000, MiB))
  })

  it("ends a connection whose peer sends nothing else, and not before it is used up", () => {
    const receiveBudget = setup()
    const turns = budget / MiB
    for (let i = 0; i < turns; i++) assert.isUndefined(turn(receiveBudget, MiB, 0))
    assert.strictEqual(turn(receiveBudget, MiB, 0), "too much that is not data")
  })

  it("is larger while something waits to be read", () => {
    let readable = true
    const receiveBudget = setup({ readable: () => readable })
    for (let i = 0; i < readableBudget / MiB; i++) assert.isUndefined(turn(receiveBudget, MiB, 0))
    readable = false
    assert.strictEqual(receiveBudget.audit(0, 0), "too much that is not data")
  })

  it("is not touched by what others send in the peer's name", () => {
    const receiveBudget = setup({ recvBytes: 1_000 })
    for (let i = 0; i < 20 * (budget / MiB); i++) assert.isUndefined(turn(receiveBudget, MiB, 0))
  })

  it("is not touched by acknowledgements of what we send", () => {
    const receiveBudget = setup()
    for (let i = 0; i < (4 * budget) / 100; i++) {
      receiveBudget.sent()
      receiveBudget.received(100)
    }
    assert.isUndefined(receiveBudget.audit(1, 0))
  })

  it("is not touched by what was announced to be dropped", () => {
    const receiveBudget = setup()
    for (let i = 0; i < 4 * (budget / MiB); i++) {
      receiveBudget.willDrop(MiB)
      assert.isUndefined(turn(receiveBudget, MiB, 0))
    }
  })
})

describe("streams that are reset unread", () => {
  it("allow for bytes that are never read, one stream window each at most", () => {
    const receiveBudget = setup({ readable: () => true })
    for (let i = 0; i < tunables.maxUnread / initialStreamWindow; i++) {
      assert.isUndefined(turn(receiveBudget, initialStreamWindow, 0))
      receiveBudget.wasReset()
    }
    assert.isUndefined(turn(receiveBudget, readableBudget - 2 * MiB, 0))
    assert.strictEqual(turn(receiveBudget, 32 * MiB, 0), "too much that is not data")
  })

  it("do not explain any amount: no more than could be unread, and as much as was read", () => {
    const outcome = (read: number) => {
      const receiveBudget = setup({ readable: () => true })
      assert.isUndefined(turn(receiveBudget, read, read))
      let taken = 0
      for (; taken < 10 * readableBudget; taken += initialStreamWindow) {
        if (turn(receiveBudget, initialStreamWindow, 0) !== undefined) break
        receiveBudget.wasReset()
      }
      return taken
    }
    assert.isBelow(outcome(0), 2 * readableBudget)
    assert.isAbove(outcome(2 * readableBudget), 3 * readableBudget)
  })

  it("cost nothing when everything had been read", () => {
    const receiveBudget = setup()
    for (let i = 0; i < 10_000; i++) {
      assert.isUndefined(turn(receiveBudget, 1_350, 1_300))
      receiveBudget.wasReset()
    }
    assert.isUndefined(receiveBudget.audit(0, 0))
  })
})

describe("what is reported as unread", () => {
  const reporting = () => {
    let unread = 0
    const budget = new ReceiveBudget(
      { isReadable: () => true, stats: () => ({ recvBytes: 0 }) } as unknown as NativeConnection,
      { onUnread: (change) => (unread += change) }
    )
    return { budget, unread: () => unread }
  }

  it("is what waits in the binding, what the owner holds, and what the peer has asked for", () => {
    const { budget, unread } = reporting()
    budget.received(1_000)
    budget.audit(1, 0, 3_000, 200)
    assert.strictEqual(unread(), 3_200)
    budget.charge(70_000)
    assert.deepStrictEqual([unread(), budget.unread], [73_200, 73_200])
    budget.read(1_000)
    budget.audit(0, 1_000, 0, 0)
    assert.strictEqual(unread(), 70_000)
    budget.charge(-70_000)
    assert.strictEqual(unread(), 0)
  })

  it("is nothing from the end of the connection on, whatever the owner gives back later", () => {
    const { budget, unread } = reporting()
    budget.charge(5_000)
    budget.end()
    assert.strictEqual(unread(), 0)
    budget.charge(-5_000)
    assert.strictEqual(unread(), 0)
  })

  it("is nothing from the end of the connection on, whatever comes later, and that ends it for no other reason", () => {
    const { budget, unread } = reporting()
    budget.received(5_000)
    budget.audit(1, 0, 0, 0)
    assert.strictEqual(unread(), 5_000)
    budget.end()
    budget.received(1 << 30)
    assert.isUndefined(budget.audit(1, 0, 70_000, 200))
    assert.strictEqual(unread(), 0)
  })
})
