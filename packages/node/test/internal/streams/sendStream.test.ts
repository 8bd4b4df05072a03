import { assert, describe, it } from "@effect/vitest"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { SendStream } from "../../../src/internal/streams/sendStream.ts"
import { StopCodes } from "../../../src/internal/streams/stopCodes.ts"
import { sendHighWater, sendQuantum } from "../../../src/internal/tunables/streams.ts"
import { StreamClosed, StreamStopped } from "@qp2p/core/StreamError"
import { outcomes } from "../../support/quicSockets.ts"

interface Binding {
  /** Bytes taken of those offered; null when a window is full. Throws as the binding does. */
  send: (bytes: Uint8Array, fin: boolean) => number | null
  writable: () => void
  capacity: () => number
}

/** The sending half with id 2 of a connection that takes everything, unless told otherwise. */
const setup = (bidirectional = false) => {
  const binding: Binding = { send: (bytes) => bytes.length, writable: () => {}, capacity: () => 1_000_000 }
  const sent: Array<readonly [length: number, fin: boolean]> = []
  const asked: Array<string> = []
  const answers = { bytes: 0 }
  const stream = new SendStream(
    {
      native: {
        streamSend: (_id: number, bytes: Uint8Array, fin: boolean) => {
          const taken = binding.send(bytes, fin)
          sent.push([bytes.length, fin])
          return taken
        },
        streamWritable: () => binding.writable(),
        streamCapacity: () => binding.capacity()
      } as unknown as NativeConnection,
      stopCodes: new StopCodes(),
      enqueue: () => asked.push("enqueue"),
      onAnswers: (change) => (answers.bytes += change),
      onReset: (_half, code) => asked.push(`reset ${code}`),
      reprioritize: (_half, priority) => asked.push(`priority ${priority}`)
    },
    bidirectional,
    0
  )
  stream.assignId(2, 0, false)
  return { asked, binding, sent, stream }
}

const failing = (message: string) => (): never => {
  throw new Error(message)
}

describe("a write", () => {
  it("after the fin fails with StreamClosed, and changes nothing of what was written", () => {
    const { stream } = setup()
    const first = outcomes()
    const late = outcomes()
    stream.write(new Uint8Array(10), true, first.done)
    stream.write(new Uint8Array(10), false, late.done)
    assert.deepStrictEqual(late.results, [new StreamClosed()])
    assert.deepStrictEqual(first.results, [])
    assert.strictEqual(stream.pending, 10)
  })

  it("after the end fails with what ended the stream", () => {
    const { stream } = setup()
    const { done, results } = outcomes()
    stream.end(new StreamStopped({ code: 3 }))
    stream.write(new Uint8Array(10), false, done)
    assert.deepStrictEqual(results, [new StreamStopped({ code: 3 })])
  })

  for (const [what, message, failure] of [
    ["that was stopped", "StreamStopped(7)", new StreamStopped({ code: 7 })],
    ["that the binding does not know any more", "InvalidStreamState(2)", new StreamClosed()]
  ] as const) {
    it(`to a stream ${what} fails, and so does each write that waits for room or for the end, once`, () => {
      const { binding, stream } = setup()
      const { done, results } = outcomes()
      stream.write(new Uint8Array(sendHighWater + 1), false, done)
      stream.write(new Uint8Array(1), true, done)
      binding.send = failing(message)
      assert.strictEqual(stream.writeSome(), "ended")
      assert.isTrue(stream.ended)
      assert.deepStrictEqual(results, [failure, failure])
      assert.strictEqual(stream.pending, 0)
    })
  }

  it("that opens a stream and finds the window full notices at once that the peer has stopped it", () => {
    for (const [writable, outcome, failures] of [
      [() => {}, "blocked", []],
      [failing("StreamStopped(9)"), "ended", [new StreamStopped({ code: 9 })]]
    ] as const) {
      const { binding, stream } = setup()
      const { done, results } = outcomes()
      stream.write(new Uint8Array(10), true, done)
      binding.send = () => null
      binding.writable = writable
      assert.strictEqual(stream.writeSome(), outcome)
      assert.deepStrictEqual(results, [...failures])
    }
  })

  it("that continues a stream offers no more than there is room for, and nothing without room", () => {
    const { binding, sent, stream } = setup()
    const { done, results } = outcomes()
    stream.write(new Uint8Array(1), false, () => {})
    stream.writeSome()
    stream.write(new Uint8Array(10), true, done)
    binding.capacity = () => 0
    assert.strictEqual(stream.writeSome(), "blocked")
    const rooms = [7, 0]
    binding.capacity = () => rooms.shift()!
    assert.strictEqual(stream.writeSome(), "blocked")
    assert.deepStrictEqual(sent.slice(1), [[7, false]])
    binding.capacity = failing("StreamStopped(9)")
    assert.strictEqual(stream.writeSome(), "ended")
    assert.deepStrictEqual(results, [new StreamStopped({ code: 9 })])
    assert.strictEqual(sent.length, 2)
  })

  it("continues where the binding took a part, a quantum at a time, and sends the fin with the last bytes", () => {
    const { binding, sent, stream } = setup()
    const acknowledged = outcomes()
    const length = 100 + 2 * sendQuantum + 5
    stream.write(new Uint8Array(length), true, acknowledged.done)
    binding.send = () => 100
    assert.strictEqual(stream.writeSome(), "blocked")
    assert.strictEqual(stream.pending, length - 100)
    binding.send = (bytes) => bytes.length
    const results = [stream.writeSome(), stream.writeSome(), stream.writeSome()]
    assert.deepStrictEqual(results, ["yielded", "yielded", "drained"])
    assert.deepStrictEqual(sent.slice(1), [
      [sendQuantum, false],
      [sendQuantum, false],
      [5, true]
    ])
    assert.isTrue(stream.finWritten)
    // It is not acknowledged yet.
    assert.deepStrictEqual(acknowledged.results, [])
  })
})

describe("a fin that is sent alone", () => {
  it("fails when the peer has stopped the stream", () => {
    const { binding, stream } = setup()
    const { done, results } = outcomes()
    stream.write(new Uint8Array(1), false, () => {})
    stream.writeSome()
    stream.write(new Uint8Array(0), true, done)
    assert.isTrue(stream.needsLoneFin)
    binding.send = failing("StreamStopped(4)")
    stream.writeFin()
    assert.deepStrictEqual(results, [new StreamStopped({ code: 4 })])
    assert.isFalse(stream.finWritten)
  })
})

describe("a priority", () => {
  it("changes nothing if it is the same, or set after the end", () => {
    const { asked, stream } = setup()
    stream.setPriority(0)
    assert.deepStrictEqual(asked, [])
    stream.setPriority(5)
    assert.deepStrictEqual(asked, ["priority 5"])
    stream.end(new StreamClosed())
    stream.setPriority(6)
    assert.deepStrictEqual(asked, ["priority 5"])
  })
})

describe("a reset", () => {
  it("is reported once, with a code that the binding survives, and fails each write that waits", () => {
    const { asked, stream } = setup()
    const { done, results } = outcomes()
    stream.write(new Uint8Array(1), true, done)
    stream.reset(-1)
    stream.reset(5)
    assert.deepStrictEqual(asked, ["enqueue", "reset 0"])
    assert.deepStrictEqual(results, [new StreamClosed()])
  })
})
