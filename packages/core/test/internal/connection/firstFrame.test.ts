import { assert, describe, it } from "@effect/vitest"
import { LocallyClosed } from "../../../src/Close.ts"
import { FirstFrame } from "../../../src/internal/connection/firstFrame.ts"
import type { ReceiveBuffer } from "../../../src/internal/connection/receiveBuffer.ts"
import type { UndecidedStream } from "../../../src/internal/connection/undecidedStreams.ts"
import type { WaitingStream } from "../../../src/internal/connection/waitingStreams.ts"
import { StreamClosed, StreamReset } from "../../../src/StreamError.ts"
import type { SendStream } from "../../../src/SendStream.ts"
import { StreamLost } from "../../../src/SendError.ts"
import type { BackingSendStream } from "../../../src/Transport.ts"
import * as WireMessage from "../../../src/WireMessage.ts"

/** A stream of the peer, for an application whose queue has room or not. */
const setup = (
  options: { readonly room?: boolean; readonly bidirectional?: boolean; readonly mayReadWithoutRoom?: boolean } = {}
) => {
  let room = options.room ?? true
  /** The streams that wait, and whether they have been read. */
  const waiting = new Map<WaitingStream, boolean>()
  const undecided = new Set<UndecidedStream>()
  const offered: Array<ReceiveBuffer> = []
  const happened: Array<string> = []
  const send: BackingSendStream = {
    write: (bytes, fin) => happened.push(`write ${bytes.length}${fin ? " fin" : ""}`),
    onStopped: () => {},
    setPriority: () => {},
    reset: (code) => happened.push(`reset ${code}`)
  }
  const stream = new FirstFrame(
    {
      maxMessageSize: 1_000,
      readsStreams: true,
      acceptProtocol: () => ({ onData: () => true, onEnd: () => {} }),
      hasRoom: () => true,
      waitForRoom: () => {},
      stopWaiting: (stream) => waiting.delete(stream),
      mayReadWithoutRoom: options.mayReadWithoutRoom ?? true,
      keep: () => {},
      user: () => happened.push("message"),
      control: (message) => happened.push(message._tag),
      held: { change: () => {} },
      reassemble: () => true,
      malformed: () => happened.push("malformed"),
      reassemblyOverflow: () => {},
      sendStream: () => ({}) as SendStream,
      streamErrorOf: () => new StreamLost({ reason: new StreamClosed() }),
      hasRoomForStream: () => room,
      waitForStreamRoom: (stream, isRead) => waiting.set(stream, isRead),
      undecided: { add: (stream) => undecided.add(stream), remove: (stream) => undecided.delete(stream) },
      offerStream: (received) => offered.push(received)
    },
    { resume: () => happened.push("resume"), stop: () => happened.push("stop") },
    options.bidirectional === false ? undefined : send
  )
  const makeRoom = () => {
    room = true
    const streams = [...waiting.keys()]
    waiting.clear()
    for (const each of streams) each.onRoom()
  }
  return { happened, makeRoom, offered, stream, undecided, waiting }
}

/** What the application would read of it as bytes. */
const contentOf = (received: ReceiveBuffer): ReadonlyArray<number> => {
  received.setMode("Bytes")
  return (received.takeBytes() ?? []).flatMap((chunk) => [...chunk])
}

describe("a stream whose reader is not known yet", () => {
  it("is read as far as the first header at most, and no further before the application reads", () => {
    const { happened, offered, stream } = setup()
    assert.strictEqual(stream.demand(), 9)
    stream.onData(Uint8Array.of(0, 1, 0))
    assert.strictEqual(stream.demand(), 6)
    assert.deepStrictEqual(offered, [])
    stream.onData(Uint8Array.of(7))
    assert.strictEqual(offered.length, 1)
    assert.strictEqual(stream.demand(), 0)
    assert.deepStrictEqual(contentOf(offered[0]!), [0, 1, 0, 7])
    assert.deepStrictEqual(happened, ["resume"])
    assert.strictEqual(stream.demand(), Infinity)
  })

  it("keeps what comes unasked, as at the end of a connection", () => {
    const { offered, stream } = setup()
    const content = Uint8Array.from({ length: 100 }, (_, i) => i)
    stream.onData(content)
    stream.onData(content)
    stream.onEnd(new LocallyClosed())
    assert.deepStrictEqual(contentOf(offered[0]!), [...content, ...content])
  })

  it("is offered once, when there is room", () => {
    const { makeRoom, offered, stream } = setup({ room: false })
    stream.onData(Uint8Array.of(9))
    assert.deepStrictEqual(offered, [])
    assert.strictEqual(stream.demand(), 0)
    makeRoom()
    makeRoom()
    assert.strictEqual(offered.length, 1)
    assert.deepStrictEqual(contentOf(offered[0]!), [9])
  })

  it("is not read without room when no question can come on it, or when too many streams wait already", () => {
    for (const options of [{ bidirectional: false }, { mayReadWithoutRoom: false }]) {
      const { happened, makeRoom, stream, waiting } = setup({ room: false, ...options })
      assert.strictEqual(stream.demand(), 0)
      assert.strictEqual(stream.demand(), 0)
      assert.deepStrictEqual([...waiting.values()], [false])
      makeRoom()
      assert.deepStrictEqual(happened, ["resume"])
      assert.strictEqual(stream.demand(), 9)
    }
  })

  it("counts as read from its first byte until it is offered", () => {
    const { makeRoom, offered, stream, waiting } = setup({ room: false })
    assert.strictEqual(stream.demand(), 9)
    stream.onData(Uint8Array.of(9))
    assert.deepStrictEqual([...waiting.values()], [true])
    makeRoom()
    assert.strictEqual(waiting.size, 0)
    assert.strictEqual(offered.length, 1)
  })

  it("waits no longer once it has failed, or has turned out to be the endpoint's", () => {
    const [failed, question] = [
      setup({ room: false, bidirectional: false }),
      setup({ room: false, bidirectional: false })
    ]
    for (const { stream, waiting } of [failed, question]) {
      assert.strictEqual(stream.demand(), 0)
      assert.strictEqual(waiting.size, 1)
    }
    failed.stream.onEnd(new StreamReset({ code: 20 }))
    question.stream.onData(WireMessage.encode({ _tag: "EndpointEchoReq" }))
    for (const { waiting } of [failed, question]) assert.strictEqual(waiting.size, 0)
  })

  it("drops what has been read when its connection ends before there is room", () => {
    const { makeRoom, offered, stream, waiting } = setup({ room: false, bidirectional: false })
    assert.strictEqual(stream.demand(), 0)
    // The transport delivers everything before it reports the end.
    stream.onData(new Uint8Array(100).fill(9))
    assert.strictEqual(waiting.size, 1)
    stream.drop()
    assert.strictEqual(stream.demand(), Infinity)
    makeRoom()
    assert.deepStrictEqual(offered, [])
  })

  it("is undecided while its bytes may begin a control message, and only then", () => {
    const ends: ReadonlyArray<(stream: FirstFrame) => void> = [
      (stream) => stream.onData(Uint8Array.of(7)),
      (stream) => stream.onData(WireMessage.encode({ _tag: "EndpointEchoReq" }).subarray(2)),
      (stream) => stream.onEnd(),
      (stream) => stream.onEnd(new LocallyClosed())
    ]
    for (const end of ends) {
      const { stream, undecided } = setup()
      assert.strictEqual(undecided.size, 0)
      stream.onData(Uint8Array.of(0))
      stream.onData(Uint8Array.of(1))
      assert.strictEqual(undecided.size, 1)
      end(stream)
      assert.strictEqual(undecided.size, 0)
    }
  })

  it("is the application's when it stays undecided, with all its bytes, also without room", () => {
    const question = WireMessage.encode({ _tag: "EndpointEchoReq" })
    for (const room of [true, false]) {
      const { happened, makeRoom, offered, stream } = setup({ room })
      stream.onData(question.subarray(0, 8))
      stream.onTimeout()
      assert.strictEqual(offered.length, room ? 1 : 0)
      makeRoom()
      assert.strictEqual(offered.length, 1)
      assert.strictEqual(stream.demand(), 0)
      offered[0]!.setMode("Bytes")
      assert.strictEqual(stream.demand(), Infinity)
      stream.onData(question.subarray(8))
      assert.deepStrictEqual(contentOf(offered[0]!), [...question])
      assert.deepStrictEqual(happened, ["resume"])
    }
  })

  it("is read to its end when it turns out to be the endpoint's, for every division into pieces", () => {
    const question = WireMessage.encode({ _tag: "EndpointEchoReq" })
    for (const size of [1, 5, question.length]) {
      const { happened, offered, stream } = setup()
      for (let i = 0; i < question.length; i += size) stream.onData(question.subarray(i, i + size))
      assert.deepStrictEqual(happened, ["EndpointEchoReq"])
      assert.strictEqual(stream.demand(), Infinity)
      stream.onEnd()
      assert.deepStrictEqual(offered, [])
    }
  })

  it("goes to no reader when it ends without a byte, or fails before its reader is known", () => {
    const [empty, failed] = [setup(), setup()]
    empty.stream.onEnd()
    assert.deepStrictEqual(empty.happened, ["write 0 fin"])
    failed.stream.onData(Uint8Array.of(0))
    failed.stream.onEnd(new LocallyClosed())
    // The peer must not take the end of its own stream for an empty answer.
    assert.deepStrictEqual(failed.happened, ["reset 0"])
    for (const { offered } of [empty, failed]) assert.deepStrictEqual(offered, [])
  })
})
