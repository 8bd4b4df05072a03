import { assert, describe, it } from "@effect/vitest"
import { maxStreamsReadWithoutRoom } from "../../../src/internal/connection/limits.ts"
import { WaitingStreams } from "../../../src/internal/connection/waitingStreams.ts"
import { Inbox } from "../../../src/internal/inbox.ts"

const read = { first: false, isRead: true }
const unread = { first: false, isRead: false }

/** The waiting streams of a connection, and a full queue for one item. */
const setup = () => {
  const waiting = new WaitingStreams()
  const queue = new Inbox<string>({ capacity: 1 })
  queue.offer("item")
  const happened: Array<string> = []
  const stream = (name: string) => ({
    onRoom: () => void happened.push(`room for ${name}`),
    drop: () => void happened.push(`drop ${name}`)
  })
  return { happened, queue, stream, waiting }
}

describe("the waiting streams of a connection", () => {
  it("are called when there is room, those that are removed not", () => {
    const { happened, queue, stream, waiting } = setup()
    const [a, b, c] = [stream("a"), stream("b"), stream("c")]
    for (const each of [a, b, c]) waiting.add(queue, each, unread)
    waiting.remove(a)
    waiting.remove(a)
    assert.strictEqual(queue.waiting, 2)
    queue.dropOldest()
    assert.deepStrictEqual(happened, ["room for b", "room for c"])
    waiting.remove(b)
    assert.strictEqual(queue.waiting, 0)
  })

  it("leave their queues when the connection ends, and no other connection's", () => {
    const { happened, queue, stream, waiting } = setup()
    const others = new WaitingStreams()
    others.add(queue, stream("other"), unread)
    for (const name of ["a", "b"]) waiting.add(queue, stream(name), read)
    waiting.dropAll()
    assert.deepStrictEqual(happened.splice(0), ["drop a", "drop b"])
    assert.strictEqual(queue.waiting, 1)
    queue.dropOldest()
    assert.deepStrictEqual(happened, ["room for other"])
  })

  it("are bounded while they have been read, and each way out makes room for another", () => {
    const { queue, stream, waiting } = setup()
    const streams = Array.from({ length: maxStreamsReadWithoutRoom }, (_, i) => stream(`${i}`))
    waiting.add(queue, stream("unread"), unread)
    for (const each of streams) {
      assert.isTrue(waiting.mayReadAnother)
      waiting.add(queue, each, read)
    }
    assert.isFalse(waiting.mayReadAnother)
    waiting.remove(streams[0]!)
    assert.isTrue(waiting.mayReadAnother)
    waiting.add(queue, streams[0]!, read)
    queue.dropOldest()
    assert.isTrue(waiting.mayReadAnother)
    queue.offer("item")
    for (const each of streams) waiting.add(queue, each, read)
    assert.isFalse(waiting.mayReadAnother)
    waiting.dropAll()
    for (const each of streams) {
      assert.isTrue(waiting.mayReadAnother)
      waiting.add(queue, each, read)
    }
  })
})
