import { assert, describe, it } from "@effect/vitest"
import { BulkLimit } from "../../../src/internal/streams/bulkLimit.ts"
import { maxBulkBytes, maxBulkStreams, sendQuantum } from "../../../src/internal/tunables/streams.ts"
import { byte, setup } from "./sendingSide.ts"

describe("long unidirectional streams", () => {
  const long = new Uint8Array(sendQuantum + 1)

  /** The streams that have begun. */
  const begun = (sent: ReadonlyArray<readonly [id: number, bytes: number, fin: boolean]>) =>
    new Set(sent.map(([id]) => id)).size

  it("send a few at a time, of each priority, and do not delay short ones", () => {
    const { outgoing, peer, sent, write } = setup()
    const known = new Set<number>()
    // Each takes one write, and its window is full then.
    peer.full = (id) => known.has(id) || !known.add(id)
    for (let i = 0; i < 2 * maxBulkStreams; i++) write(outgoing.open(false, 0), long, true)
    for (let now = 0; now < 50; now++) outgoing.write(now)
    assert.strictEqual(begun(sent), maxBulkStreams)
    write(outgoing.open(false, 0), byte, true)
    for (let now = 50; now < 60; now++) outgoing.write(now)
    assert.strictEqual(begun(sent), maxBulkStreams + 1)
    write(outgoing.open(false, 1), long, true)
    for (let now = 60; now < 70; now++) outgoing.write(now)
    assert.strictEqual(begun(sent), maxBulkStreams + 2)
  })

  it("are fewer when they are very long, and a lone one may have any length", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.full = (id) => sent.some(([known]) => known === id)
    const huge = new Uint8Array(maxBulkBytes)
    const results = Array.from({ length: 3 }, () => write(outgoing.open(false, 0), huge, true))
    for (let now = 0; now < 50; now++) outgoing.write(now)
    assert.strictEqual(begun(sent), 1)
    peer.full = () => false
    for (let now = 50; now < 2_000; now++) outgoing.write(now)
    assert.strictEqual(begun(sent), 1)
    peer.acknowledged.add(2)
    outgoing.completeUni(2_000, false)
    peer.heardAt = 2_000
    for (let now = 2_001; now < 2_010; now++) outgoing.write(now)
    assert.deepStrictEqual(results[0], ["done"])
    assert.strictEqual(begun(sent), 2)
  })

  it("are limited, and bidirectional ones are not", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.full = (id) => sent.some(([known]) => known === id)
    for (let i = 0; i < 2 * maxBulkStreams; i++) write(outgoing.open(true, 0), long, true)
    for (let now = 0; now < 50; now++) outgoing.write(now)
    assert.strictEqual(begun(sent), 2 * maxBulkStreams)
  })
})

describe("the limit of long streams", () => {
  const stream = (pending: number, priority = 0, bidirectional = false) => ({ bidirectional, pending, priority })

  it("counts each until it is over, at the priority and with the bytes that it began with", () => {
    const limit = new BulkLimit()
    const streams = Array.from({ length: maxBulkStreams }, () => stream(sendQuantum + 1))
    for (const each of streams) limit.begin(each)
    assert.isFalse(limit.mayBegin(0))
    assert.isTrue(limit.mayBegin(1))
    for (const each of streams) Object.assign(each, { pending: 0, priority: 1 })
    limit.end(streams[0]!)
    limit.end(streams[0]!)
    assert.isTrue(limit.mayBegin(0))
    limit.begin(stream(sendQuantum + 1))
    assert.isFalse(limit.mayBegin(0))
    limit.clear()
    assert.isTrue(limit.mayBegin(0))
  })

  it("has room for further bytes once those that filled it are sent", () => {
    const limit = new BulkLimit()
    const large = stream(maxBulkBytes)
    limit.begin(large)
    limit.begin(stream(sendQuantum + 1))
    assert.isFalse(limit.mayBegin(0))
    limit.end(large)
    assert.isTrue(limit.mayBegin(0))
  })

  it("ignores short streams and bidirectional ones", () => {
    const limit = new BulkLimit()
    for (let i = 0; i < 2 * maxBulkStreams; i++) {
      limit.begin(stream(sendQuantum))
      limit.begin(stream(maxBulkBytes, 0, true))
    }
    assert.isTrue(limit.mayBegin(0))
  })
})
