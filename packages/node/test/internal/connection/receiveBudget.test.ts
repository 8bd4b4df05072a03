import { assert, describe, it } from "@effect/vitest"
import { Accounts } from "../../../src/internal/connection/receiveBudget.ts"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import * as tunables from "../../../src/internal/tunables.ts"

/** While there is nothing to read, and while there is. */
const budget = tunables.unexplainedBytes + tunables.mostOutOfOrder
const readableBudget = tunables.unexplainedBytes + tunables.mostUnread
const MiB = 1 << 20

/** Accounts of a connection that has authenticated everything, unless told otherwise. */
const setup = (options: { readonly recvBytes?: number; readonly readable?: () => boolean } = {}) =>
  new Accounts({
    isReadable: options.readable ?? (() => false),
    stats: () => ({ recvBytes: options.recvBytes ?? Infinity })
  } as unknown as NativeConnection)

/** A turn that takes one packet of `bytes`, of which `read` are stream data. */
const turn = (accounts: Accounts, bytes: number, read: number): string | undefined => {
  accounts.received(bytes)
  accounts.read(read)
  return accounts.audit(1, read)
}

describe("the budget for what is no data", () => {
  it("is not touched by any amount of data", () => {
    const accounts = setup()
    for (let i = 0; i < 10_000; i++) assert.isUndefined(turn(accounts, MiB + 50_000, MiB))
  })

  it("ends a connection whose peer sends nothing else, and not before it is used up", () => {
    const accounts = setup()
    const turns = budget / MiB
    for (let i = 0; i < turns; i++) assert.isUndefined(turn(accounts, MiB, 0))
    assert.strictEqual(turn(accounts, MiB, 0), "too much that is not data")
  })

  it("is larger while something waits to be read", () => {
    let readable = true
    const accounts = setup({ readable: () => readable })
    for (let i = 0; i < readableBudget / MiB; i++) assert.isUndefined(turn(accounts, MiB, 0))
    readable = false
    assert.strictEqual(accounts.audit(0, 0), "too much that is not data")
  })

  it("is not touched by what others send in the peer's name", () => {
    const accounts = setup({ recvBytes: 1_000 })
    for (let i = 0; i < 20 * (budget / MiB); i++) assert.isUndefined(turn(accounts, MiB, 0))
  })

  it("is not touched by acknowledgements of what we send", () => {
    const accounts = setup()
    for (let i = 0; i < (4 * budget) / 100; i++) {
      accounts.sent()
      accounts.received(100)
    }
    assert.isUndefined(accounts.audit(1, 0))
  })

  it("is not touched by what was announced to be dropped", () => {
    const accounts = setup()
    for (let i = 0; i < 4 * (budget / MiB); i++) {
      accounts.willDrop(MiB)
      assert.isUndefined(turn(accounts, MiB, 0))
    }
  })
})

describe("streams that are reset unread", () => {
  it("explain what nobody will read any more, one stream window each at most", () => {
    const accounts = setup({ readable: () => true })
    for (let i = 0; i < tunables.mostUnread / tunables.initialStreamWindow; i++) {
      assert.isUndefined(turn(accounts, tunables.initialStreamWindow, 0))
      accounts.wasReset()
    }
    assert.isUndefined(turn(accounts, readableBudget - 2 * MiB, 0))
    assert.strictEqual(turn(accounts, 32 * MiB, 0), "too much that is not data")
  })

  it("do not explain any amount: no more than could be unread, and as much as was read", () => {
    const outcome = (read: number) => {
      const accounts = setup({ readable: () => true })
      assert.isUndefined(turn(accounts, read, read))
      let taken = 0
      for (; taken < 10 * readableBudget; taken += tunables.initialStreamWindow) {
        if (turn(accounts, tunables.initialStreamWindow, 0) !== undefined) break
        accounts.wasReset()
      }
      return taken
    }
    assert.isBelow(outcome(0), 2 * readableBudget)
    assert.isAbove(outcome(2 * readableBudget), 3 * readableBudget)
  })

  it("cost nothing when everything had been read", () => {
    const accounts = setup()
    for (let i = 0; i < 10_000; i++) {
      assert.isUndefined(turn(accounts, 1_350, 1_300))
      accounts.wasReset()
    }
    assert.isUndefined(accounts.audit(0, 0))
  })
})
