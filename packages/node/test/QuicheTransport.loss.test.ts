import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { StreamReset } from "@qp2p/core/StreamError"
import { blocked, type Faults, faulty, Network, open } from "./support/impairedNetwork.ts"
import { assertSame, bind, connect, outcomes, pattern, Received, text, until } from "./support/quicSockets.ts"

/** Message `i`: its number, and as many bytes more as the number says. */
const message = (i: number): Uint8Array => {
  const bytes = pattern(4 + ((i * 37) % 900), i)
  new DataView(bytes.buffer).setUint32(0, i)
  return bytes
}

const numberOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)

const networks: ReadonlyArray<readonly [name: string, faults: Omit<Faults, "seed">]> = [
  ["loses 12 %", { loss: 0.12 }],
  ["duplicates 20 % and reorders 20 %", { duplication: 0.2, reordering: 0.2 }],
  ["flips a bit in 10 %", { corruption: 0.1 }],
  ["does all of it", { loss: 0.05, duplication: 0.05, reordering: 0.1, corruption: 0.05 }]
]

// Most of what they do is to wait for the next try; each has a network of its own.
describe.concurrent("a network that", () => {
  for (const [name, faults] of networks) {
    it.live(
      `${name}: of 2,000 streams each arrives whole and once, and none is confirmed before`,
      () =>
        Effect.gen(function* () {
          const count = 2_000
          const network = new Network(faulty({ seed: 1, ...faults }), faulty({ seed: 2, ...faults }))
          const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
          const arrived = new Map<number, number>()
          far.heed = (stream) => {
            const { onEnd } = stream
            Object.assign(stream, {
              onEnd: (failure?: undefined) => {
                onEnd(failure)
                if (stream.length === 0) return
                const i = numberOf(stream.bytes)
                arrived.set(i, (arrived.get(i) ?? 0) + 1)
              }
            })
          }
          const early: Array<number> = []
          const failures: Array<unknown> = []
          let confirmed = 0
          for (let i = 0; i < count; i++) {
            near.connection.openUni(0).write(message(i), true, (failure) => {
              confirmed += 1
              if (failure !== undefined) failures.push(failure)
              // Both ends live in one process: what is acknowledged has been read, or is read in the same turn.
              if (!arrived.has(i)) early.push(i)
            })
          }
          yield* until("all confirmations", () => confirmed === count, "60 seconds")
          yield* until("all ends", () => arrived.size === count)
          assert.deepStrictEqual(failures, [])
          assert.strictEqual(far.filled.length, count)
          for (const stream of far.filled) {
            assert.deepStrictEqual(stream.ends, [undefined])
            assertSame(stream.bytes, message(numberOf(stream.bytes)))
          }
          assert.isTrue([...arrived.values()].every((times) => times === 1))
          assert.deepStrictEqual(early, [])
        }),
      90_000
    )

    it.live(
      `${name}: long streams arrive whole both ways, ends included`,
      () =>
        Effect.gen(function* () {
          const network = new Network(faulty({ seed: 3, ...faults }), faulty({ seed: 4, ...faults }))
          const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
          const sent = [near, far].flatMap((peer) =>
            [1, 2, 3].map((i) => ({
              bytes: pattern(100_000 + i, i),
              results: peer.send(pattern(100_000 + i, i)).results
            }))
          )
          for (const peer of [far, near]) {
            yield* until(
              "the ends",
              () => peer.streams.filter(({ ends }) => ends.length > 0).length === 3,
              "60 seconds"
            )
            for (const stream of peer.streams) assertSame(stream.bytes, pattern(stream.length, stream.length - 100_000))
            assert.deepStrictEqual(
              new Set(peer.streams.map(({ length }) => length)),
              new Set([100_001, 100_002, 100_003])
            )
          }
          yield* until("the confirmations", () => sent.every(({ results }) => results.length === 1), "60 seconds")
          for (const { results } of sent) assert.deepStrictEqual(results, ["done"])
        }),
      90_000
    )

    it.live(
      `${name}: streams that are reset in the middle are heard to be`,
      () =>
        Effect.gen(function* () {
          const count = 40
          // Each loss in a row doubles the wait for the next try (RFC 9002, section 6.2.1), and a busy machine all of them.
          const patience = "120 seconds"
          const network = new Network(faulty({ seed: 7, ...faults }), faulty({ seed: 8, ...faults }))
          const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
          for (let i = 0; i < count; i++) {
            const stream = near.connection.openUni(0)
            stream.write(pattern(200_000), false, () => {})
            yield* until("some of it", () => far.filled.length > i, patience)
            stream.reset(i)
          }
          yield* until("all ends", () => far.filled.every(({ ends }) => ends.length > 0), patience)
          assert.deepStrictEqual(
            far.filled.map(({ ends }) => ends),
            Array.from({ length: count }, (_, code) => [new StreamReset({ code })])
          )
          assert.deepStrictEqual([...near.closes, ...far.closes], [])
        }),
      180_000
    )

    it.live(
      `${name}: bidirectional streams and fins that travel alone are confirmed as well, answered or not`,
      () =>
        Effect.gen(function* () {
          const count = 100
          const network = new Network(faulty({ seed: 5, ...faults }), faulty({ seed: 6, ...faults }))
          const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
          const answered = new Set<Received>()
          const answers: Array<Received> = []
          const results: Array<unknown> = []
          far.heed = (stream) => {
            // Every other question is answered.
            stream.heed = () => {
              if (answered.has(stream) || stream.length < 4 || numberOf(stream.bytes) % 2 === 1) return
              answered.add(stream)
              stream.send!.write(text("answer"), true, () => {})
            }
          }
          for (let i = 0; i < count; i++) {
            const answer = new Received()
            answers.push(answer)
            const { send } = near.connection.openBi(0, answer)
            const bytes = message(i)
            if (i % 4 < 2) send.write(bytes, true, (failure) => results.push(failure ?? "done"))
            else {
              send.write(bytes, false, () => {})
              yield* Effect.sleep("2 millis")
              send.write(new Uint8Array(0), true, (failure) => results.push(failure ?? "done"))
            }
          }
          yield* until("all confirmations", () => results.length === count, "60 seconds")
          assert.isTrue(results.every((result) => result === "done"))
          yield* until(
            "all ends",
            () => far.filled.filter(({ ends }) => ends.length === 1).length === count,
            "60 seconds"
          )
          for (const stream of far.filled) assertSame(stream.bytes, message(numberOf(stream.bytes)))
          yield* until(
            "the answers",
            () => answers.filter(({ ends }) => ends.length === 1).length === count / 2,
            "60 seconds"
          )
          assert.isTrue(answers.every(({ text }, i) => text === (i % 2 === 0 ? "answer" : "")))
        }),
      90_000
    )
  }

  it.live(
    "loses 10 %: of 2,000 questions whose fins follow alone each is heard to its end, and so is each answer",
    () =>
      Effect.gen(function* () {
        const count = 2_000
        const atOnce = 200
        const network = new Network(faulty({ seed: 11, loss: 0.1 }), faulty({ seed: 12, loss: 0.1 }))
        const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
        const nothing = new Uint8Array(0)
        const heard = new Set<number>()
        const early: Array<number> = []
        const failures: Array<unknown> = []
        const done = (failure?: unknown) => {
          if (failure !== undefined) failures.push(failure)
        }
        far.heed = (stream) => {
          const { onEnd } = stream
          let answered = false
          const answer = () => {
            if (answered || stream.length < 4 || stream.length < message(numberOf(stream.bytes)).length) return
            const i = numberOf(stream.bytes)
            // Some answer only what has ended; of the others, some end their answers later.
            if (i % 3 === 0 && stream.ends.length === 0) return
            answered = true
            stream.send!.write(message(i), i % 3 !== 1, done)
            if (i % 3 === 1) setImmediate(() => stream.send!.write(nothing, true, done))
          }
          stream.heed = answer
          Object.assign(stream, {
            onEnd: (failure?: undefined) => {
              onEnd(failure)
              if (stream.length > 0) heard.add(numberOf(stream.bytes))
              answer()
            }
          })
        }
        const answers: Array<Received> = []
        let confirmed = 0
        let over = 0
        const ask = (i: number) => {
          const answer = new Received()
          answers.push(answer)
          const { onEnd } = answer
          Object.assign(answer, {
            onEnd: (failure?: undefined) => {
              onEnd(failure)
              over += 1
              if (answers.length < count) ask(answers.length)
            }
          })
          const { send } = near.connection.openBi(0, answer)
          send.write(message(i), false, done)
          // In a later turn of the loop, before or after the data has arrived.
          setTimeout(
            () =>
              send.write(nothing, true, (failure) => {
                done(failure)
                confirmed += 1
                // Where the answer waits for the end, the end is read in the turn in which it is acknowledged.
                if (i % 3 === 0 && !heard.has(i)) early.push(i)
              }),
            i % 4
          )
        }
        for (let i = 0; i < atOnce; i++) ask(i)
        yield* until("all answers", () => over === count, "120 seconds")
        yield* until("all confirmations", () => confirmed === count, "60 seconds")
        yield* until("all ends", () => heard.size === count, "60 seconds")
        assert.deepStrictEqual(failures, [])
        assert.deepStrictEqual(early, [])
        assert.strictEqual(far.filled.length, count)
        for (const stream of far.filled) {
          assert.deepStrictEqual(stream.ends, [undefined])
          assertSame(stream.bytes, message(numberOf(stream.bytes)))
        }
        for (const [i, answer] of answers.entries()) {
          assert.deepStrictEqual(answer.ends, [undefined])
          assertSame(answer.bytes, message(i))
        }
      }),
    240_000
  )

  it.live("loses the beginning of a question and the fin that followed it alone: the fin is sent again", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
      const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      const asked = pattern(3_000)
      const { done, results } = outcomes()
      let packets = 0
      // What is lost is found out about at once, when the first acknowledgement comes.
      network.incoming = blocked
      network.outgoing = (payload) => (payload.length > 500 && packets++ === 0 ? [] : [payload])
      const { send } = near.connection.openBi(0, new Received())
      send.write(asked, false, () => {})
      yield* turn
      yield* turn
      network.outgoing = blocked
      send.write(new Uint8Array(0), true, done)
      yield* turn
      yield* turn
      network.outgoing = open
      for (let i = 0; i < 5; i++) {
        near.send(text("later"))
        yield* turn
        yield* turn
      }
      network.incoming = open
      near.send(text("last"))
      yield* until("the end", () => far.streams.some(({ ends, length }) => ends.length > 0 && length === asked.length))
      yield* until("the confirmation", () => results.length > 0)
      assert.deepStrictEqual(results, ["done"])
      assert.isTrue(packets > 1)
    })
  )

  it.live(
    "loses acknowledgements, and a fin that followed alone: it comes with bytes that were read already, and is noticed",
    () =>
      Effect.gen(function* () {
        const network = new Network()
        const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
        const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
        const { done, results } = outcomes()
        let lost = 0
        network.incoming = () => {
          lost += 1
          return []
        }
        const { send } = near.connection.openBi(0, new Received())
        send.write(text("asked"), false, () => {})
        yield* turn
        yield* turn
        network.outgoing = blocked
        send.write(new Uint8Array(0), true, done)
        yield* turn
        yield* turn
        yield* until("the question, and its acknowledgement", () => far.filled[0]?.text === "asked" && lost > 0)
        // What comes next is the question again, with the fin.
        network.incoming = open
        network.outgoing = open
        yield* until("the end", () => far.filled[0]!.ends.length > 0)
        yield* until("the confirmation", () => results.length > 0)
        assert.deepStrictEqual(far.filled[0]!.ends, [undefined])
        assert.deepStrictEqual(results, ["done"])
      })
  )

  it.live("loses every packet in both directions confirms nothing", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { near } = yield* connect({
        client: {
          openSocket: network.openSocket,
          idleTimeout: Duration.seconds(3),
          keepAliveInterval: Duration.infinity
        }
      })
      network.outgoing = blocked
      network.incoming = blocked
      const results: Array<unknown> = []
      const done = (failure?: unknown) => void results.push(failure ?? "done")
      near.connection.openBi(0, new Received()).send.write(text("asked"), true, done)
      near.connection.openUni(0).write(text("told"), true, done)
      yield* until("the end of the connection", () => near.closes.length === 1)
      assert.strictEqual(near.closes[0]!._tag, "IdleTimedOut")
      assert.strictEqual(results.length, 2)
      assert.notInclude(results, "done")
    })
  )

  it.live("loses every packet of one direction confirms nothing, although the peer goes on sending", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
      // Enough of a round trip that the estimate has settled.
      for (let i = 0; i < 20; i++) {
        const { results } = near.send(text("settling"))
        yield* until("the confirmation", () => results.length === 1)
      }
      network.outgoing = blocked
      const results: Array<unknown> = []
      const done = (failure?: unknown) => void results.push(failure ?? "done")
      const answer = new Received()
      near.connection.openBi(0, answer).send.write(text("asked"), true, done)
      for (let i = 0; i < 10; i++) {
        yield* Effect.sleep("50 millis")
        far.send(text("still here"))
      }
      yield* until("the peer's messages", () => near.streams.length >= 10)
      assert.deepStrictEqual(results, [])
      assert.isFalse(far.streams.some(({ text }) => text === "asked"))
      network.outgoing = open
      yield* until("the confirmation", () => results.length === 1)
      assert.deepStrictEqual(results, ["done"])
      assert.isTrue(far.streams.some(({ text }) => text === "asked"))
    })
  )

  it.live(
    "loses every long packet confirms no long message, however long the waits between the tries have become",
    () =>
      Effect.gen(function* () {
        const network = new Network()
        const idleTimeout = Duration.seconds(1)
        const { far, near } = yield* connect({ client: { openSocket: network.openSocket, idleTimeout } })
        network.outgoing = (payload) => (payload.length > 200 ? [] : [payload])
        const asked = pattern(1_000)
        const results: Array<unknown> = []
        near.connection.openBi(0, new Received()).send.write(asked, true, (failure) => results.push(failure ?? "done"))
        // About every 30 ms at first, and each time after twice as long.
        for (let i = 0; i < 50; i++) {
          yield* Effect.sleep("50 millis")
          far.send(text("still here"))
        }
        yield* until("the peer's messages", () => near.streams.length === 50)
        assert.deepStrictEqual(results, [])
        network.outgoing = open
        yield* until("the confirmation", () => results.length === 1)
        assert.deepStrictEqual(results, ["done"])
        assert.isTrue(far.streams.some(({ length }) => length === asked.length))
      })
  )

  it.live(
    "loses 30 %: handshakes come about all the same",
    () =>
      Effect.gen(function* () {
        const server = yield* bind()
        const network = new Network(faulty({ seed: 7, loss: 0.3 }), faulty({ seed: 8, loss: 0.3 }))
        const client = yield* bind({ openSocket: network.openSocket, handshakeTimeout: Duration.seconds(4) })
        // Within its timeout a handshake has three tries, so now and then one fails; ten in a row do not.
        const dialled = Effect.gen(function* () {
          for (let i = 0; i < 10; i++) {
            const { connected, failed } = client.dial(server.socket.address)
            yield* until("the dial is over", () => connected.length + failed.length > 0)
            if (connected.length > 0) return
            assert.strictEqual(failed[0]!._tag, "ConnectionTimedOut")
          }
          assert.fail("no dial came about")
        })
        yield* Effect.all(
          Array.from({ length: 10 }, () => dialled),
          { concurrency: "unbounded" }
        )
      }),
    90_000
  )

  it.live("loses 10 %: a bidirectional stream is confirmed while bulk keeps the connection busy", () =>
    Effect.gen(function* () {
      const network = new Network(faulty({ seed: 9, loss: 0.1 }), faulty({ seed: 10, loss: 0.1 }))
      const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
      const bulk = near.connection.openUni(-1)
      let busy = true
      const chunk = pattern(200_000)
      const more = () => {
        if (busy) bulk.write(chunk, false, () => setImmediate(more))
      }
      more()
      yield* until("the bulk", () => (far.streams[0]?.length ?? 0) > 0)
      const results: Array<unknown> = []
      near.connection
        .openBi(0, new Received())
        .send.write(text("asked"), true, (failure) => results.push(failure ?? "done"))
      yield* until("the confirmation", () => results.length === 1)
      busy = false
      assert.deepStrictEqual(results, ["done"])
      assert.isTrue(far.streams.some(({ length }) => length === 5))
    })
  )
})
