import { assert, describe, it } from "@effect/vitest"
import { LocallyClosed } from "../../../src/Close.ts"
import { FirstFrame } from "../../../src/internal/connection/firstFrame.ts"
import type { ReceiveBuffer } from "../../../src/internal/connection/receiveBuffer.ts"
import { StreamClosed } from "../../../src/StreamError.ts"
import type { SendStream } from "../../../src/SendStream.ts"
import { StreamLost } from "../../../src/SendError.ts"
import type { BackingSendStream } from "../../../src/Transport.ts"
import * as WireMessage from "../../../src/WireMessage.ts"

/** A stream of the peer, for an application whose queue has room or not. */
const setup = (options: { readonly room?: boolean } = {}) => {
  let room = options.room ?? true
  const waiting: Array<() => void> = []
  const offered: Array<ReceiveBuffer> = []
  const happened: Array<string> = []
  const send: BackingSendStream = {
    write: (bytes, fin) => happened.push(`write ${bytes.length}${fin ? " fin" : ""}`),
    onStopped: () => {},
    setPriority: () => {},
    reset: () => happened.push("reset")
  }
  const stream = new FirstFrame(
    {
      maxMessageSize: 1_000,
      hasRoom: () => true,
      onRoom: () => {},
      user: () => happened.push("message"),
      control: (message) => happened.push(message._tag),
      reassemble: () => true,
      malformed: () => happened.push("malformed"),
      reassemblyOverflow: () => {},
      sendStream: () => ({}) as SendStream,
      streamErrorOf: () => new StreamLost({ reason: new StreamClosed() }),
      hasRoomForStream: () => room,
      onRoomForStream: (callback) => waiting.push(callback),
      offerStream: (received) => offered.push(received)
    },
    { resume: () => happened.push("resume"), stop: () => happened.push("stop") },
    send
  )
  const makeRoom = () => {
    room = true
    for (const callback of waiting.splice(0)) callback()
  }
  return { happened, makeRoom, offered, stream }
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

  it("is not announced when it ends without a byte, or fails before its kind is known", () => {
    const [empty, failed] = [setup(), setup()]
    empty.stream.onEnd()
    failed.stream.onData(Uint8Array.of(0))
    failed.stream.onEnd(new LocallyClosed())
    for (const { happened, offered } of [empty, failed]) {
      assert.deepStrictEqual(offered, [])
      assert.deepStrictEqual(happened, ["write 0 fin"])
    }
  })
})
