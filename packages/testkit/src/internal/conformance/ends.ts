/** Rules about streams that end before their time. */
import { StreamClosed, StreamReset, StreamStopped } from "@qp2p/core/StreamError"
import type { BackingSendStream } from "@qp2p/core/Transport"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { pattern, text } from "./content.ts"
import type { Peer } from "./recording/peer.ts"
import { Received } from "./recording/received.ts"
import { type Group, isStopLost, rule, stopArrived, unlessStopLost } from "./rule.ts"
import { connect, roundTrip, until } from "./steps.ts"

/** More bytes than any transport takes from a stream that is not read. */
const much = 1 << 20

const codes = [0, 7, Number.MAX_SAFE_INTEGER]

/** A stream whose first bytes have arrived at the far end, where it pauses; a write of the near end is pending. */
const held = Effect.fnUntraced(function* ({ far, near }: { readonly near: Peer; readonly far: Peer }) {
  const known = far.messages.length
  far.afterStream = (stream) => {
    if (far.messages.length === known + 1) stream.pausing = true
  }
  const { results, stream } = near.send(pattern(much))
  yield* until("the stream begins", () => far.messages.length > known)
  return { stream, results, received: far.messages[known]! }
})

/** The reports of the stops of a stream. */
const stopsOf = (stream: BackingSendStream): Array<StreamStopped> => {
  const stops: Array<StreamStopped> = []
  stream.onStopped((stopped) => stops.push(stopped))
  return stops
}

/** The rules about resets, stops and writes after an end, as both halves of a stream report them. */
export const ends: Group = {
  title: "streams that end before their time",
  rules: [
    ...codes.map((code) =>
      rule(
        `a reset with code ${code} arrives as StreamReset with that code, and ends what was being written`,
        Effect.gen(function* () {
          const pair = yield* connect()
          const { received, results, stream } = yield* held(pair)
          stream.reset(code)
          yield* until("the write fails", () => results.length > 0)
          received.resume()
          yield* until("the receiver hears of it", () => received.ends.length > 0)
          assert.deepStrictEqual([results, received.ends], [[new StreamClosed()], [new StreamReset({ code })]])
          assert.isBelow(received.length, much)
        })
      )
    ),
    ...codes.map((code) =>
      rule(
        `a stop with code ${code} arrives as StreamStopped with that code at the writer`,
        unlessStopLost(
          Effect.gen(function* () {
            const pair = yield* connect()
            // The code may arrive after everything was acknowledged, and is then reported as 0.
            const told: Array<number> = []
            for (let i = 0; i < 10 && !told.includes(code); i++) {
              const { received, results } = yield* held(pair)
              pair.far.stop(received.receive!, code)
              yield* until("the write fails", () => results.length > 0)
              const [failure] = results
              yield* stopArrived(failure)
              assert.deepInclude([new StreamStopped({ code }), new StreamStopped({ code: 0 })], failure)
              if (failure instanceof StreamStopped) told.push(failure.code)
            }
            assert.include(told, code)
          })
        )
      )
    ),
    rule(
      "a stop is told once to who has asked for it, on either half of a stream, though nothing is being written",
      unlessStopLost(
        Effect.gen(function* () {
          const { far, near } = yield* connect()
          const { receive, send } = near.connection.openBi(0, new Received(near.record))
          const own = stopsOf(send)
          near.write(send, text("begun"), false)
          yield* until("the stream begins", () => far.messages.length > 0 && far.messages[0]!.length === 5)
          const question = far.messages[0]!
          const theirs = stopsOf(question.send!)
          near.stop(receive, 7)
          far.stop(question.receive!, 8)
          const isOver = () => near.closes.length > 0
          yield* until("both are told", () => isOver() || (own.length > 0 && theirs.length > 0))
          if (isOver()) yield* stopArrived(near.closes[0])
          for (let i = 0; i < 3; i++) yield* roundTrip(near)
          assert.deepStrictEqual([own, theirs], [[new StreamStopped({ code: 8 })], [new StreamStopped({ code: 7 })]])
        })
      )
    ),
    rule(
      "a stop is told soon, and not at once, to who asks for it when it has come",
      unlessStopLost(
        Effect.gen(function* () {
          const pair = yield* connect()
          const { received, results, stream } = yield* held(pair)
          pair.far.stop(received.receive!, 7)
          yield* until("the write fails", () => results.length > 0)
          yield* stopArrived(results[0])
          const stops = stopsOf(stream)
          assert.deepStrictEqual(stops, [])
          yield* until("it is told", () => stops.length > 0)
          assert.deepStrictEqual(stops, results)
        })
      )
    ),
    rule(
      "no stop is told of streams that end otherwise",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const finished = near.connection.openUni(0)
        const reset = near.connection.openUni(0)
        const open = near.connection.openUni(0)
        const stops = [finished, reset, open].map(stopsOf)
        const results = near.write(finished, text("all"), true)
        for (const stream of [reset, open]) near.write(stream, text("begun"), false)
        yield* until("the streams begin", () => far.filled.length === 3)
        reset.reset(1)
        yield* until("the first is acknowledged", () => results.length > 0)
        yield* roundTrip(near)
        far.connection.close(0, "")
        yield* until("the connection is over", () => near.closes.length > 0)
        const late = near.connection.openUni(0)
        stops.push(stopsOf(late))
        assert.deepStrictEqual(stops, [[], [], [], []])
      })
    ),
    rule(
      "a stream that its receiver has stopped is silent",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        far.afterStream = (stream) => {
          if (far.messages.length === 1) stream.afterChunk = () => far.stop(stream.receive!, 1)
        }
        const { results } = near.send(pattern(much))
        yield* until("the write fails", () => results.length > 0)
        for (let i = 0; i < 3; i++) yield* roundTrip(near)
        const received = far.messages[0]!
        received.receive!.resume()
        received.receive!.stop(2)
        yield* roundTrip(near)
        assert.deepStrictEqual([received.chunks.length, received.ends], [1, []])
      })
    ),
    rule(
      "a receiver that was stopped before its stream began is silent",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const [reset, closed] = [new Received(near.record), new Received(near.record)]
        const { receive, send } = near.connection.openBi(0, reset)
        receive.stop(1)
        send.reset(2)
        near.connection.openBi(0, closed).receive.stop(3)
        yield* roundTrip(near)
        far.connection.close(0, "")
        near.connection.close(0, "")
        yield* until("the connection is over", () => near.closes.length > 0)
        assert.deepStrictEqual([reset.ends, closed.ends], [[], []])
      })
    ),
    rule(
      "writes after the end of a stream, a reset and a stop fail, each once",
      unlessStopLost(
        Effect.gen(function* () {
          const pair = yield* connect()
          const { far, near } = pair
          const finished = near.send(text("all"))
          yield* until("the first is acknowledged", () => finished.results.length > 0)
          const reset = near.connection.openUni(0)
          reset.reset(1)
          const { received, results, stream } = yield* held(pair)
          far.stop(received.receive!, 2)
          yield* until("the write fails", () => results.length > 0)
          yield* stopArrived(results[0])
          const late = [finished.stream, reset, stream].map((stream) => near.write(stream, text("late"), true))
          yield* until("late writes are answered", () => late.every((outcomes) => outcomes.length > 0))
          const tags = late.map(([outcome]) => (typeof outcome === "object" ? outcome._tag : outcome))
          assert.deepStrictEqual(tags, ["StreamClosed", "StreamClosed", "StreamStopped"])
          assert.deepStrictEqual(finished.results, ["done"])
        })
      )
    ),
    rule(
      "a reset of one half of a stream leaves the other half alone",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const answer = new Received(near.record)
        const { send } = near.connection.openBi(0, answer)
        near.write(send, text("begun"), false)
        yield* until("the bytes arrive", () => far.messages[0]?.length === 5)
        send.reset(3)
        const received = far.messages[0]!
        yield* until("the receiver hears of it", () => received.ends.length > 0)
        const results = far.write(received.send!, text("still here"), true)
        yield* until("the answer ends", () => answer.ends.length > 0)
        yield* until("the answer is acknowledged", () => results.length > 0)
        assert.deepStrictEqual([answer.text, answer.ends, results], ["still here", [undefined], ["done"]])
      })
    ),
    rule(
      "a stop of one half of a stream leaves the other half alone",
      unlessStopLost(
        Effect.gen(function* () {
          const { far, near } = yield* connect()
          const answer = new Received(near.record)
          const { receive, send } = near.connection.openBi(0, answer)
          near.write(send, text("begun"), false)
          yield* until("the bytes arrive", () => far.messages[0]?.length === 5)
          receive.stop(4)
          const received = far.messages[0]!
          const results = far.write(received.send!, pattern(much), true)
          yield* until("the answer fails", () => results.length > 0)
          yield* stopArrived(results[0])
          assert.isTrue(results[0] instanceof StreamStopped)
          const rest = near.write(send, text(", and ended"), true)
          yield* until("the question ends", () => received.ends.length > 0)
          yield* until("the question is acknowledged", () => rest.length > 0)
          assert.deepStrictEqual([received.text, received.ends, rest], ["begun, and ended", [undefined], ["done"]])
          assert.deepStrictEqual([answer.length, answer.ends], [0, []])
        })
      )
    ),
    rule(
      "a reset and a stop after everything has arrived change nothing",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const { results, stream } = near.send(text("all"))
        yield* until("the stream ends", () => far.messages[0]?.ends.length === 1)
        yield* until("it is acknowledged", () => results.length > 0)
        stream.reset(1)
        far.messages[0]!.receive!.stop(2)
        yield* roundTrip(near)
        yield* roundTrip(far)
        assert.deepStrictEqual([far.messages[0]!.ends, results], [[undefined], ["done"]])
        assert.deepStrictEqual([near.closes, far.closes], [[], []])
      })
    ),
    rule(
      "a reset before anything was written leaves the connection as it was",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        near.connection.openUni(0).reset(1)
        near.connection.openBi(0, new Received(near.record)).send.reset(2)
        const written = near.connection.openUni(0)
        const results = near.write(written, text("never mind"), true)
        written.reset(3)
        yield* until("the write is answered", () => results.length > 0)
        assert.deepStrictEqual(results, [new StreamClosed()])
        near.send(text("after"))
        yield* until("the next message arrives", () => far.messages.some((stream) => stream.text === "after"))
      })
    ),
    rule(
      "what a stream is to carry is not asked for any more once the stream has failed",
      Effect.gen(function* () {
        const { near } = yield* connect()
        let asked = 0
        const content = () => {
          asked += 1
          return text("never mind")
        }
        const [reset, ended, waiting, open] = Array.from({ length: 4 }, () => near.connection.openUni(0))
        reset!.reset(1)
        near.write(ended!, text("the end"), true)
        const late = [reset!, ended!].map((stream) => near.writeWhole(stream, content))
        if (late[0] === undefined) return
        assert.strictEqual(asked, 0)
        const results = near.writeWhole(waiting!, content)!
        // The stream may have had its turn already.
        const before = asked
        waiting!.reset(2)
        yield* until("the writes are answered", () => [...late, results].every((outcomes) => outcomes!.length > 0))
        yield* roundTrip(near)
        assert.deepStrictEqual(
          [...late, results],
          Array.from({ length: 3 }, () => [new StreamClosed()])
        )
        assert.strictEqual(asked, before)
        near.connection.close(0, "")
        const closed = near.writeWhole(open!, content)!
        yield* until("the write on a connection that is closed is answered", () => closed.length > 0)
        assert.strictEqual(asked, before)
        assert.notStrictEqual(closed[0], "done")
      })
    ),
    rule(
      "streams that were stopped give back what they held: others do not starve",
      Effect.gen(function* () {
        const stopping = Effect.map(connect(), (pair) => {
          pair.far.afterStream = (stream) => {
            stream.afterChunk = () => pair.far.stop(stream.receive!, 1)
          }
          return pair
        })
        let pair = yield* stopping
        for (let i = 0; i < 30; i++) {
          const { results } = pair.near.send(pattern(200_000))
          yield* until("the write fails", () => results.length > 0)
          if (yield* isStopLost(results[0])) pair = yield* stopping
        }
        pair.far.afterStream = undefined
        const { results } = pair.near.send(pattern(much))
        yield* until("a long message is acknowledged", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
      })
    ),
    rule(
      "streams that were reset give back what they held: others do not starve",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        for (let i = 0; i < 30; i++) {
          const stream = near.connection.openUni(0)
          near.write(stream, pattern(200_000), false)
          yield* until("the stream begins", () => (far.messages[i]?.length ?? 0) > 0)
          stream.reset(1)
          yield* until("the receiver hears of it", () => far.messages[i]!.ends.length > 0)
        }
        const { results } = near.send(pattern(much))
        yield* until("a long message is acknowledged", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
      })
    )
  ]
}
