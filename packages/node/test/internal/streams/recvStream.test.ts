import { assert, describe, it } from "@effect/vitest"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { RecvStream } from "../../../src/internal/streams/recvStream.ts"
import { maxStreamRead } from "../../../src/internal/tunables/streams.ts"
import { StreamClosed, StreamReset } from "@qp2p/core/StreamError"
import { Received } from "../../support/quicSockets.ts"

const scratch = new Uint8Array(1_000)

/** A receiving half, and what the binding has for it: byte counts, and at last how it goes on. */
const setup = (chunks: Array<number>, last: "more" | "fin" | Error = "more") => {
  const rooms: Array<number> = []
  const asked: Array<string> = []
  let delivered = 0
  let closing = false
  const stream = new RecvStream(
    {
      get isClosing() {
        return closing
      },
      onMore: () => asked.push("turn"),
      native: {
        streamRecv: (_id: number, room: Uint8Array): [number, boolean] | null => {
          rooms.push(room.length)
          const next = chunks[0]
          if (next === undefined) {
            if (last instanceof Error) throw last
            return last === "fin" ? [0, true] : null
          }
          const length = Math.min(next, room.length)
          if (length === next) chunks.shift()
          else chunks[0] = next - length
          return [length, false]
        }
      } as unknown as NativeConnection,
      onReadable: () => asked.push("turn"),
      onStop: (_half, code) => asked.push(`stop ${code}`),
      onReset: () => asked.push("reset"),
      onRead: (_half, bytes) => (delivered += bytes)
    },
    3
  )
  const received = new Received()
  stream.listen(received)
  const close = () => {
    closing = true
  }
  return { asked, close, delivered: () => delivered, received, rooms, stream }
}

describe("reading", () => {
  it("hands over no more than is demanded, and pauses at a demand of 0", () => {
    const { asked, received, rooms, stream } = setup([5_000])
    const demands = [10, 2_000, 0, 30, 0]
    stream.listen({ demand: () => demands.shift()!, onData: received.onData, onEnd: received.onEnd })
    stream.read(scratch, false)
    assert.deepStrictEqual(rooms, [10, 1_000])
    assert.isTrue(stream.paused)
    stream.resume()
    assert.deepStrictEqual(asked, ["turn"])
    stream.read(scratch, false)
    assert.deepStrictEqual(rooms, [10, 1_000, 30])
    assert.strictEqual(received.length, 1_040)
  })

  it("asks for no demand and does not pause if it reads regardless of that", () => {
    const { received, stream } = setup([5_000], "fin")
    received.pausing = true
    stream.listen({ demand: () => 0, onData: received.onData, onEnd: received.onEnd })
    stream.read(scratch, true)
    assert.strictEqual(received.length, 5_000)
    assert.deepStrictEqual(received.ends, [undefined])
  })

  it("leaves the rest to another turn after its share", () => {
    const { asked, received, stream } = setup([2 * maxStreamRead])
    stream.read(scratch, false)
    assert.deepStrictEqual(asked, ["turn"])
    assert.isAtLeast(received.length, maxStreamRead)
    assert.isBelow(received.length, maxStreamRead + scratch.length)
  })

  it("of a stream that was reset ends with the code, after what had come before", () => {
    const { asked, delivered, received, stream } = setup([7], new Error("StreamReset(12)"))
    stream.read(scratch, false)
    assert.strictEqual(delivered(), 7)
    assert.strictEqual(received.length, 7)
    assert.deepStrictEqual(received.ends, [new StreamReset({ code: 12 })])
    assert.deepStrictEqual(asked, ["reset"])
  })

  it("of a stream that the binding does not know is not reported as an end by the peer", () => {
    const { asked, received, stream } = setup([], new Error("InvalidStreamState(3)"))
    stream.read(scratch, false)
    assert.deepStrictEqual(received.ends, [new StreamClosed()])
    assert.deepStrictEqual(asked, [])
    assert.isTrue(stream.isRead)
  })
})

describe("a connection that its owner closes", () => {
  it.each([false, true])(
    "from within onData reads and reports nothing more (regardless of pauses: %s)",
    (regardless) => {
      const { asked, close, received, rooms, stream } = setup([7, 7], "fin")
      received.heed = close
      stream.read(scratch, regardless)
      stream.read(scratch, regardless)
      assert.deepStrictEqual([rooms.length, received.length, received.ends], [1, 7, []])
      assert.deepStrictEqual(asked, [])
      assert.isFalse(stream.isRead)
    }
  )

  it("before anything is read reports neither bytes nor an end, and asks for no demand", () => {
    const { close, received, rooms, stream } = setup([], new Error("StreamReset(12)"))
    const asked: Array<string> = []
    stream.listen({ demand: () => asked.push("demand"), onData: received.onData, onEnd: received.onEnd })
    close()
    stream.read(scratch, false)
    assert.deepStrictEqual([rooms, asked, received.ends], [[], [], []])
  })
})

describe("discarding", () => {
  it("reads until there is no more, and returns whether the end was reached", () => {
    for (const [last, expected] of [
      ["more", false],
      ["fin", true],
      [new Error("StreamReset(1)"), true]
    ] as const) {
      const { delivered, received, stream } = setup([3_000], last)
      assert.strictEqual(stream.discard(scratch), expected)
      assert.strictEqual(delivered(), 3_000)
      assert.strictEqual(received.length, 0)
    }
  })
})

describe("stopping", () => {
  it("is reported once, and nothing is reported after it", () => {
    const { asked, received, stream } = setup([5], "fin")
    stream.stop(Number.NaN)
    stream.stop(5)
    stream.read(scratch, false)
    stream.end(new StreamClosed())
    assert.deepStrictEqual(asked, ["stop 0"])
    assert.strictEqual(received.length, 0)
    assert.deepStrictEqual(received.ends, [])
  })

  it("of a paused stream leaves nothing to resume", () => {
    const { asked, received, stream } = setup([5])
    received.pausing = true
    stream.read(scratch, false)
    stream.stop(1)
    stream.resume()
    assert.deepStrictEqual(asked, ["stop 1"])
  })

  it("of a stream whose reading is deferred waits until reading is allowed: it would read the last bytes", () => {
    const { asked, received, stream } = setup([5], "fin")
    stream.deferReading()
    stream.stop(9)
    stream.stop(10)
    assert.deepStrictEqual(asked, [])
    stream.allowReading()
    stream.allowReading()
    assert.deepStrictEqual(asked, ["stop 9"])
    assert.deepStrictEqual(received.ends, [])
  })
})
