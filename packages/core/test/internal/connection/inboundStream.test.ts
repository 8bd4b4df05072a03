import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as ErrorCode from "../../../src/ErrorCode.ts"
import { InboundStream } from "../../../src/internal/connection/inboundStream.ts"
import type { WaitingStream } from "../../../src/internal/connection/waitingStreams.ts"
import type { SendStream } from "../../../src/SendStream.ts"
import { StreamClosed } from "../../../src/StreamError.ts"
import type { BackingSendStream } from "../../../src/Transport.ts"
import * as WireMessage from "../../../src/WireMessage.ts"

const user = (text: string): Uint8Array => WireMessage.encodeUser(new TextEncoder().encode(text))
const question = WireMessage.encode({ _tag: "EndpointEchoReq" })
const frames = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** A stream of the peer, for an endpoint with room for so many messages. */
const setup = (
  options: {
    readonly room?: number
    readonly bidirectional?: boolean
    readonly partial?: number
    readonly mayReadWithoutRoom?: boolean
  } = {}
) => {
  let room = options.room ?? Infinity
  let partial = 0
  let kept = 0
  const waiting = new Set<WaitingStream>()
  /** Of each time that it waited: whether before all others. */
  const firsts: Array<boolean> = []
  const taken: Array<string> = []
  const happened: Array<string> = []
  const handles: Array<WeakRef<SendStream>> = []
  const send: BackingSendStream = {
    // What nobody holds any more is ended, whenever that is found.
    write: () => {},
    onStopped: () => {},
    setPriority: () => {},
    reset: (code) => happened.push(`reset ${code}`)
  }
  const stream = new InboundStream(
    {
      maxMessageSize: 1_000,
      hasRoom: () => taken.length < room,
      waitForRoom: (stream, isRead) => {
        assert.isFalse(waiting.has(stream))
        waiting.add(stream)
        firsts.push(isRead)
      },
      stopWaiting: (stream) => waiting.delete(stream),
      mayReadWithoutRoom: options.mayReadWithoutRoom ?? true,
      keep: (bytes) => (kept += bytes),
      user: (payload, reply) => {
        taken.push(`${new TextDecoder().decode(payload)}${Option.isSome(reply) ? "?" : ""}`)
      },
      control: (message) => happened.push(message._tag),
      reassemble: (_stream, bytes) => {
        partial += bytes
        return partial <= (options.partial ?? Infinity)
      },
      malformed: (reason) => happened.push(reason),
      reassemblyOverflow: () => happened.push("reassemblyOverflow"),
      sendStream: () => {
        const handle = {} as SendStream
        handles.push(new WeakRef(handle))
        return handle
      }
    },
    { resume: () => happened.push("resume"), stop: (code) => happened.push(`stop ${code}`) },
    options.bidirectional === true ? send : undefined
  )
  return {
    stream,
    taken,
    happened,
    handles,
    partial: () => partial,
    kept: () => kept,
    /** The application takes so many. */
    make: (more: number) => {
      room += more
      const streams = [...waiting]
      waiting.clear()
      for (const each of streams) each.onRoom()
    },
    waiting,
    firsts
  }
}

describe("while there is no room", () => {
  it("nothing is read, and the reader that waits is called once", () => {
    const { happened, make, stream, waiting } = setup({ room: 0 })
    assert.deepStrictEqual([stream.demand(), stream.demand()], [0, 0])
    assert.strictEqual(waiting.size, 1)
    make(1)
    assert.deepStrictEqual(happened, ["resume"])
    assert.strictEqual(stream.demand(), Infinity)
  })

  it("questions are read all the same, and a message that follows them is not", () => {
    const { happened, stream } = setup({ room: 0, bidirectional: true })
    /** A question with an IPv6 address. */
    const largestQuestion = 35
    assert.strictEqual(stream.demand(), largestQuestion)
    assert.isTrue(stream.onData(question))
    assert.deepStrictEqual(happened, ["EndpointEchoReq"])
    // And the next one.
    assert.strictEqual(stream.demand(), largestQuestion)
    stream.onData(question.subarray(0, 5))
    assert.strictEqual(stream.demand(), largestQuestion - 5)
    stream.onData(question.subarray(5))
    assert.deepStrictEqual(happened, ["EndpointEchoReq", "EndpointEchoReq"])
    assert.isFalse(stream.onData(user("a")))
    assert.strictEqual(stream.demand(), 0)
  })

  it("what has been read waits, in order, also what comes with the end of the connection", () => {
    const { happened, make, stream, taken, waiting } = setup({ room: 1 })
    assert.isFalse(stream.onData(frames(user("a"), user("b"), user("c").subarray(0, 3))))
    assert.deepStrictEqual(taken, ["a"])
    assert.isFalse(stream.onData(frames(user("c").subarray(3), user("d"))))
    stream.onEnd(new StreamClosed())
    assert.deepStrictEqual(taken, ["a"])
    assert.strictEqual(waiting.size, 1)
    make(2)
    assert.deepStrictEqual(taken, ["a", "b", "c"])
    make(2)
    assert.deepStrictEqual(taken, ["a", "b", "c", "d"])
    // There is nothing left to resume.
    assert.deepStrictEqual(happened, [])
  })

  it("what has been read goes before what has not", () => {
    const { firsts, make, stream } = setup({ room: 0 })
    assert.strictEqual(stream.demand(), 0)
    make(1)
    stream.onData(frames(user("a"), user("b"), user("c")))
    make(1)
    make(1)
    assert.strictEqual(stream.demand(), 0)
    assert.deepStrictEqual(firsts, [false, true, true, false])
  })

  it("reading goes on only when all that has been read is taken", () => {
    const { happened, make, stream, taken } = setup({ room: 0, bidirectional: true })
    stream.demand()
    assert.isFalse(stream.onData(frames(user("a"), user("b"))))
    make(1)
    assert.deepStrictEqual(taken, ["a?"])
    assert.deepStrictEqual(happened, [])
    make(1)
    assert.deepStrictEqual(taken, ["a?", "b?"])
    assert.deepStrictEqual(happened, ["resume"])
  })
})

describe("while there is no room, a stream", () => {
  it("is not read for questions when too many streams wait already", () => {
    const { stream, waiting } = setup({ room: 0, bidirectional: true, mayReadWithoutRoom: false })
    assert.strictEqual(stream.demand(), 0)
    assert.strictEqual(waiting.size, 1)
  })

  it("waits no longer once it has ended without a whole message", () => {
    const ends: ReadonlyArray<(stream: InboundStream) => void> = [
      (stream) => stream.onEnd(new StreamClosed()),
      (stream) => stream.onEnd(),
      (stream) => stream.onData(new Uint8Array(9).fill(7))
    ]
    for (const end of ends) {
      const { kept, stream, waiting } = setup({ room: 0 })
      assert.strictEqual(stream.demand(), 0)
      assert.isFalse(stream.onData(user("abc").subarray(0, 1)))
      assert.strictEqual(waiting.size, 1)
      end(stream)
      assert.strictEqual(waiting.size, 0)
      assert.strictEqual(kept(), 0)
    }
  })

  it("that has ended counts its messages until they are taken", () => {
    const { kept, make, stream, taken, waiting } = setup({ room: 1, bidirectional: true })
    stream.onData(frames(user("a"), user("b"), user("c")))
    assert.strictEqual(kept(), 0)
    stream.onEnd(new StreamClosed())
    assert.strictEqual(waiting.size, 1)
    assert.strictEqual(kept(), 2 * (128 + 1))
    make(1)
    make(1)
    assert.deepStrictEqual(taken, ["a?", "b?", "c?"])
    assert.strictEqual(kept(), 0)
  })

  it("drops what has been read when it is told to, before its end or after it", () => {
    for (const isOver of [true, false]) {
      const { kept, make, stream, taken, waiting } = setup({ room: 1, bidirectional: true })
      stream.onData(frames(user("a"), user("b"), user("c")))
      if (isOver) stream.onEnd(new StreamClosed())
      waiting.delete(stream)
      stream.drop()
      assert.isTrue(stream.onData(user("late")))
      if (!isOver) stream.onEnd(new StreamClosed())
      assert.strictEqual(kept(), 0)
      assert.strictEqual(waiting.size, 0)
      make(10)
      assert.deepStrictEqual(taken, ["a?"])
    }
  })
})

describe("what makes no sense", () => {
  it("ends the stream both ways, after what had come before it, and nothing is heard after", () => {
    const { happened, partial, stream, taken } = setup({ bidirectional: true })
    stream.onData(frames(user("a"), Uint8Array.of(7, 7), user("b")))
    const end = ["the version must be 1, got 1799", `stop ${ErrorCode.malformed}`, `reset ${ErrorCode.malformed}`]
    assert.deepStrictEqual(happened, end)
    assert.isTrue(stream.onData(user("c")))
    stream.onEnd()
    assert.deepStrictEqual(taken, ["a?"])
    assert.deepStrictEqual(happened, end)
    assert.strictEqual(partial(), 0)
  })

  it("is an end in the middle of a message, but not one that a loss brings", () => {
    const finished = setup()
    finished.stream.onData(user("abc").subarray(0, 10))
    finished.stream.onEnd()
    assert.deepStrictEqual(finished.happened, ["the stream ended after 1 of the 3 bytes of a message"])
    const lost = setup()
    lost.stream.onData(user("abc").subarray(0, 10))
    lost.stream.onEnd(new StreamClosed())
    assert.deepStrictEqual(lost.happened, [])
    assert.deepStrictEqual([finished.partial(), lost.partial()], [0, 0])
  })
})

it("too much in parts ends the stream that exceeds the limit, though well-formed, and gives back what it kept", () => {
  const { happened, partial, stream } = setup({ partial: 100 })
  stream.onData(WireMessage.encodeUser(new Uint8Array(900)).subarray(0, 500))
  assert.deepStrictEqual(happened, ["reassemblyOverflow", `stop ${ErrorCode.reassemblyOverflow}`])
  assert.strictEqual(partial(), 0)
})

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

describe("what the application gets of a stream, and does not keep,", () => {
  // The transport refers to the stream for as long as it likes, and what watches the handle to the transport.
  const ends: Record<string, (stream: InboundStream) => void> = {
    "that makes no sense": (stream) => stream.onData(new Uint8Array(9)),
    "of which too much comes in parts": (stream) => stream.onData(user("x".repeat(90)).subarray(0, 60)),
    "that has ended": (stream) => stream.onEnd(),
    "whose connection has ended": (stream) => stream.onEnd(new StreamClosed())
  }
  for (const [name, end] of Object.entries(ends)) {
    it(`is kept nowhere when it is one ${name}`, async () => {
      const { handles, stream } = setup({ bidirectional: true, partial: 50 })
      end(stream)
      while (handles[0]!.deref() !== undefined) {
        await new Promise((resolve) => setImmediate(resolve))
        collectGarbage()
      }
      assert.isTrue(stream.onData(user("late")))
    })
  }
})
