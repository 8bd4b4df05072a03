// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { StreamClosed, StreamReset, StreamStopped } from "@qp2p/core/StreamError"
import { Network, open } from "./support/impairedNetwork.ts"
import { connect, outcomes, pattern, type Peer, Received, type Sent, text, until } from "./support/quicSockets.ts"

const largest = Number.MAX_SAFE_INTEGER

/** Waits until the windows are full and all that was sent is acknowledged. */
const quiet = Effect.fnUntraced(function* ({ connection }: Peer) {
  let last = -1
  while (connection.stats().bytesSent + connection.stats().bytesReceived !== last) {
    last = connection.stats().bytesSent + connection.stats().bytesReceived
    yield* Effect.sleep("250 millis")
  }
})

describe("reset", () => {
  for (const [code, arrives] of [
    [0, 0],
    [7, 7],
    [largest, largest],
    [-1, 0],
    [-Infinity, 0],
    [Number.NaN, 0],
    [1.9, 1],
    [2 ** 62, largest],
    [2 ** 63, largest],
    [2 ** 80, largest]
  ] as const) {
    it.live(`with code ${code} arrives as ${arrives}`, () =>
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const stream = near.connection.openUni(0)
        stream.write(text("begun"), false, () => {})
        yield* until("the bytes", () => far.streams[0]?.length === 5)
        stream.reset(code)
        yield* until("the end", () => far.streams[0]!.ends.length === 1)
        assert.deepStrictEqual(far.streams[0]!.ends, [new StreamReset({ code: arrives })])
      })
    )
  }

  it.live("with an infinite code does not take the process down", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const stream = near.connection.openUni(0)
      stream.write(text("begun"), false, () => {})
      yield* until("the bytes", () => far.streams[0]?.length === 5)
      stream.reset(Infinity)
      yield* until("the end", () => far.streams[0]!.ends.length === 1)
      assert.strictEqual(far.streams[0]!.ends[0]?._tag, "StreamReset")
    })
  )

  it.live("before anything was sent leaves the connection as it was", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      near.connection.openUni(0).reset(1)
      const written = near.connection.openUni(0)
      const { done, results } = outcomes()
      written.write(text("never"), true, done)
      written.reset(2)
      assert.deepStrictEqual(results, [new StreamClosed()])
      const answer = new Received()
      const both = near.connection.openBi(0, answer)
      both.send.reset(3)
      assert.deepStrictEqual(answer.ends, [])
      yield* until("the end of the answer", () => answer.ends.length > 0)
      assert.deepStrictEqual(answer.ends, [new StreamClosed()])
      near.send(text("after"))
      yield* until("the next message", () => far.filled.at(-1)?.text === "after")
    })
  )

  it.live("fails the writes that wait, and later ones", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
      }
      const stream = near.connection.openUni(0)
      const waiting = outcomes()
      stream.write(pattern(12 << 20), false, waiting.done)
      stream.write(text("the end"), true, waiting.done)
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      stream.reset(5)
      assert.deepStrictEqual(waiting.results, [new StreamClosed(), new StreamClosed()])
      const late = outcomes()
      stream.write(text("late"), true, late.done)
      assert.deepStrictEqual(late.results, [new StreamClosed()])
      stream.reset(6)
      far.streams[0]!.resume()
      yield* until("the code", () => far.streams[0]!.ends.length === 1)
      assert.deepStrictEqual(far.streams[0]!.ends, [new StreamReset({ code: 5 })])
    })
  )

  it.live("of one half leaves the other half of a bidirectional stream alone", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const answer = new Received()
      const stream = near.connection.openBi(0, answer)
      stream.send.write(text("begun"), false, () => {})
      yield* until("the bytes", () => far.streams[0]?.length === 5)
      stream.send.reset(9)
      yield* until("the code", () => far.streams[0]!.ends.length === 1)
      assert.deepStrictEqual(far.streams[0]!.ends, [new StreamReset({ code: 9 })])
      const { done, results } = outcomes()
      far.streams[0]!.send!.write(text("still here"), true, done)
      yield* until("the answer", () => answer.ends.length === 1)
      yield* until("the confirmation", () => results.length === 1)
      assert.strictEqual(answer.text, "still here")
      assert.deepStrictEqual([...answer.ends, ...results], [undefined, "done"])
    })
  )

  it.live(
    "gives back the window of what was not read: many resets do not starve a connection whose receiver reads",
    () =>
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        for (let i = 0; i < 60; i++) {
          const stream = near.connection.openUni(0)
          stream.write(pattern(600_000), false, () => {})
          yield* until("some of it", () => (far.filled[i]?.length ?? 0) > 0)
          stream.reset(1)
          yield* until("the code", () => far.filled[i]!.ends.length === 1)
        }
        const { results } = near.send(pattern(1 << 20))
        yield* until("the confirmation", () => results.length === 1)
        assert.deepStrictEqual(results, ["done"])
      })
  )

  it.live("of many streams that the receiver had paused never leaves a connection that is open and dead", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
      }
      const over = () => near.closes.length > 0
      for (let i = 0; i < 60 && !over(); i++) {
        const stream = near.connection.openUni(0)
        stream.write(pattern(600_000), false, () => {})
        yield* until("some of it", () => over() || (far.filled[i]?.length ?? 0) > 0)
        if (over()) break
        stream.reset(1)
        far.filled[i]!.resume()
        yield* until("the code", () => over() || far.filled[i]!.ends.length === 1)
      }
      far.heed = undefined
      // The binding does not give back the window of what was never read, so ending the connection is right, too.
      const { results } = near.send(pattern(1 << 20))
      yield* until("the outcome", () => results.length === 1)
      assert.deepStrictEqual(results, [near.closes[0] ?? "done"])
    })
  )
})

describe("stop", () => {
  for (const [code, arrives] of [
    [0, 0],
    [7, 7],
    [largest, largest],
    [-1, 0],
    [Number.NaN, 0],
    [2 ** 62, largest],
    [2 ** 63, largest]
  ] as const) {
    it.live(`with code ${code} arrives as ${arrives} at a sender that is writing`, () =>
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        far.heed = (stream) => {
          stream.pausing = true
        }
        const { results } = near.send(pattern(12 << 20))
        yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
        // The binding forgets the code when the stop comes together with the acknowledgement of all that was sent.
        yield* quiet(near)
        far.streams[0]!.receive!.stop(code)
        yield* until("the failure", () => results.length === 1)
        assert.deepStrictEqual(results, [new StreamStopped({ code: arrives })])
      })
    )
  }

  it.live("arrives with its code at a sender that writes only later", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const stream = near.connection.openUni(0)
      stream.write(text("begun"), false, () => {})
      yield* until("the bytes", () => far.streams[0]?.length === 5)
      far.streams[0]!.receive!.stop(7)
      // A message of the peer that comes after the stop.
      far.send(text("stopped"))
      yield* until("the stop", () => near.streams[0]?.ends.length === 1)
      const { done, results } = outcomes()
      stream.write(text("more"), true, done)
      yield* until("the failure", () => results.length === 1)
      assert.deepStrictEqual(results, [new StreamStopped({ code: 7 })])
    })
  )

  it.live("arrives at the senders of many streams that wait for their windows", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
      }
      const sent: Array<Sent> = []
      for (let i = 0; i < 12; i++) sent.push(near.send(pattern(1 << 20)))
      yield* until("some of it", () => far.streams.length > 0)
      yield* Effect.sleep("50 millis")
      for (const stream of far.streams) stream.receive!.stop(11)
      far.heed = (stream) => {
        stream.heed = () => stream.receive!.stop(11)
      }
      yield* until("all failures", () => sent.every(({ results }) => results.length === 1))
      for (const { results } of sent) assert.deepStrictEqual(results, [new StreamStopped({ code: 11 })])
    })
  )

  for (const direction of ["unidirectional", "bidirectional"] as const) {
    it.live(`has its code though the same packet acknowledges all that was sent on a ${direction} stream`, () =>
      Effect.gen(function* () {
        const bidirectional = direction === "bidirectional"
        const { far, near } = yield* connect()
        far.heed = (stream) => {
          // The packet that carries this stop is the first to acknowledge the data.
          stream.heed = () => {
            stream.receive!.stop(12)
            stream.send?.reset(13)
          }
        }
        const answer = new Received()
        const send = bidirectional ? near.connection.openBi(0, answer).send : near.connection.openUni(0)
        const stops: Array<StreamStopped> = []
        send.onStopped((stopped) => stops.push(stopped))
        send.write(text("unwanted"), false, () => {})
        yield* until("the stop", () => stops.length === 1)
        assert.deepStrictEqual(stops, [new StreamStopped({ code: 12 })])
        assert.deepStrictEqual(answer.ends, bidirectional ? [new StreamReset({ code: 13 })] : [])
        const { done, results } = outcomes()
        send.write(text("more"), true, done)
        assert.deepStrictEqual(results, stops)
      })
    )
  }

  it.live("is not success for a sender whose fin has left already", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ client: { maxUdpPayload: 1_350 } })
      far.heed = (stream) => {
        stream.heed = () => stream.receive!.stop(3)
      }
      // Several packets, so that the stop comes while the rest is on its way or waits for the congestion window.
      const { results } = near.send(pattern(60_000))
      yield* until("the outcome", () => results.length === 1)
      assert.deepStrictEqual(results, [new StreamStopped({ code: 3 })])
      assert.isBelow(far.streams[0]!.length, 60_000)
    })
  )

  it.live("is not success when only the first packet of a short stream has arrived", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
      // The handshake is over then, so that the next full packet is one of the stream.
      const before = near.send(text("before"))
      yield* until("the handshake", () => before.results.length === 1)
      far.heed = (stream) => {
        stream.heed = () => stream.receive!.stop(4)
      }
      let passed = 0
      network.outgoing = (payload) => (payload.length >= 1_000 && passed++ > 0 ? [] : open(payload))
      const { results } = near.send(pattern(5_000))
      yield* until("the outcome", () => results.length === 1)
      assert.deepStrictEqual(results, [new StreamStopped({ code: 4 })])
      assert.isBelow(far.filled.at(-1)!.length, 5_000)
    })
  )

  it.live("silences the stream: nothing of it is reported again, however much is on its way", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.heed = () => stream.receive!.stop(1)
      }
      for (let i = 0; i < 20; i++) {
        const { results } = near.send(pattern(300_000))
        yield* until("the failure", () => results.length === 1)
      }
      far.heed = undefined
      near.send(text("after"))
      yield* until("the next message", () => far.filled.at(-1)?.text === "after")
      assert.strictEqual(far.filled.length, 21)
      for (const stream of far.filled.slice(0, 20)) {
        assert.strictEqual(stream.chunks.length, 1)
        assert.deepStrictEqual(stream.ends, [])
      }
    })
  )

  it.live("of one stream from within another's data does not bring it back", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
      }
      near.connection.openUni(0).write(pattern(200_000), false, () => {})
      near.connection.openUni(0).write(pattern(200_000), false, () => {})
      yield* until("both streams", () => far.filled.length === 2)
      yield* Effect.sleep("50 millis")
      const [first, second] = far.filled as [Received, Received]
      // Whichever comes first stops the other, which is readable in the same turn.
      first.heed = () => second.receive!.stop(1)
      second.heed = () => first.receive!.stop(1)
      const before = [first.length, second.length]
      first.resume()
      second.resume()
      yield* until("one of them", () => first.length + second.length > before[0]! + before[1]!)
      near.send(text("after"))
      yield* until("the next message", () => far.streams.some(({ text }) => text === "after"))
      assert.strictEqual(far.filled.length, 3)
      assert.strictEqual([first.length > before[0]!, second.length > before[1]!].filter(Boolean).length, 1)
    })
  )

  it.live("gives back the window of what was not read: many stopped streams do not starve the connection", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.heed = () => stream.receive!.stop(1)
      }
      for (let i = 0; i < 100; i++) {
        const { results } = near.send(pattern(1 << 20))
        yield* until("the failure", () => results.length === 1)
      }
      far.heed = undefined
      const { results } = near.send(pattern(1 << 20))
      yield* until("the confirmation", () => results.length === 1)
      assert.deepStrictEqual(results, ["done"])
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )

  it.live("of the peer's half leaves this side's half alone", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const answer = new Received()
      const { receive, send } = near.connection.openBi(0, answer)
      // Before the stream has an id.
      receive.stop(4)
      const asked = outcomes()
      send.write(text("question"), true, asked.done)
      yield* until("the question", () => far.streams[0]?.ends.length === 1)
      const answered = outcomes()
      yield* until("the stop at the peer", () => {
        if (answered.results.length === 0) far.streams[0]!.send!.write(pattern(1_000), false, answered.done)
        return answered.results.some((result) => result !== "done")
      })
      yield* until("the confirmation", () => asked.results.length === 1)
      assert.deepStrictEqual(asked.results, ["done"])
      assert.strictEqual(answer.length, 0)
    })
  )
})
