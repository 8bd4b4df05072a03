/** Every contender keeps the contract: what is confirmed is handed over, once, whole. */
import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import type { Listener } from "../src/contender.ts"
import { foreignOf, loadContender, names } from "../src/contenders/registry.ts"
import { openRelay } from "../src/network/relay.ts"

/** What was confirmed may need a moment more to reach the application. */
const untilHanded = async (listener: Listener, messages: number): Promise<void> => {
  while (listener.counts().messages < messages) await sleep(1)
}

const makesCalls = (name: string): boolean => name.startsWith("rpc-")

const ours = names.filter((name) => foreignOf(name) === undefined && !makesCalls(name))

for (const name of names.filter(makesCalls)) {
  test(`${name} makes calls`, { timeout: 60_000 }, async () => {
    const { dial, listen, makes } = await loadContender(name)
    assert.equal(makes, "calls")
    const listener = await listen({})
    const { calls, close } = await dial(listener.address, {})
    assert.ok(calls !== undefined)
    const times = await calls.unary({ size: 64, count: 50, inFlight: 8 })
    assert.equal(times.length, 50)
    assert.ok(times.every((time) => time > 0))
    assert.deepEqual(listener.counts(), { messages: 50, bytes: 3_200 })
    await calls.stream(5_000)
    await calls.long(1 << 20)
    await close()
    await listener.close()
  })
}

for (const name of ours) {
  describe(name, { timeout: 60_000 }, () => {
    test("messages and questions", async () => {
      const { dial, listen } = await loadContender(name)
      const listener = await listen({})
      const link = await dial(listener.address, {})
      await link.messages({ size: 1000, count: 50, inFlight: 8 })
      await untilHanded(listener, 50)
      await link.messages({ size: 300_000, count: 3, inFlight: 2 })
      await untilHanded(listener, 53)
      assert.deepEqual(listener.counts(), { messages: 53, bytes: 950_000 })
      const times = await link.requests({ size: 64, count: 5 })
      assert.equal(times.length, 5)
      assert.deepEqual(listener.counts(), { messages: 58, bytes: 950_320 })
      await link.close()
      await listener.close()
    })

    test("several connections from one socket", async () => {
      const { dialler, listen } = await loadContender(name)
      const listener = await listen({})
      const { close, connect } = await dialler({})
      const links = await Promise.all([1, 2, 3].map(() => connect(listener.address)))
      await Promise.all(links.map((link) => link.messages({ size: 10, count: 4, inFlight: 2 })))
      await untilHanded(listener, 12)
      await links[0]?.close()
      await links[1]?.messages({ size: 10, count: 1, inFlight: 1 })
      await untilHanded(listener, 13)
      assert.deepEqual(listener.counts(), { messages: 13, bytes: 130 })
      await close()
      await listener.close()
    })
  })
}

describe("where a tenth of all packets is lost", { timeout: 60_000 }, () => {
  // The binding says itself whether a stream was acknowledged, and what it says must be true.
  for (const name of ["plain-loop", "qp2p"]) {
    test(`${name} confirms no message that did not arrive`, async () => {
      const { dial, listen } = await loadContender(name)
      const listener = await listen({})
      const relay = await openRelay(listener.address, { carrier: "udp", latency: 1, loss: 0.1, seed: 7 })
      const link = await dial(relay.address, {})
      for (let i = 1; i <= 30; i++) {
        await link.messages({ size: 1024, count: 8, inFlight: 8 })
        await new Promise((resolve) => setImmediate(resolve))
        assert.equal(listener.counts().messages, i * 8)
      }
      const { back, there } = await relay.counts()
      assert.ok(there.lost > 0 && back.lost > 0)
      await link.close()
      await relay.close()
      await listener.close()
    })
  }
})

// Some of them keep timers when everything is closed.
after(() => setImmediate(() => process.exit()))
