/** Rules about slow receivers. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertSame, pattern, text } from "./content.ts"
import type { Peer, Sent } from "./recording/peer.ts"
import type { Received } from "./recording/received.ts"
import { bind } from "./recording/socket.ts"
import { type Group, rule } from "./rule.ts"
import { connect, connected, dialledAtLast, failed, roundTrip, standstill, until } from "./steps.ts"

/** More bytes than any transport may take from a stream that is not read. */
const tooMuch = 32 << 20

/** More bytes than any transport takes from a stream that is not read, and few enough to be sent in a test. */
const much = 1 << 20

/** More streams than a transport has credit for. */
const manyStreams = 2_500

/** Applies `change` to the first stream that arrives at `peer`; the others are read. */
const onFirst = (peer: Peer, change: (stream: Received) => void) => {
  peer.afterStream = (stream) => {
    if (peer.messages.length === 1) change(stream)
  }
}

const paused = (stream: Received) => {
  stream.pausing = true
}

const unwanted = (stream: Received) => {
  stream.demand = () => 0
}

const begun = (peer: Peer) => until("the stream begins", () => peer.messages.length > 0)

/** Opens many streams that are not read until all have been sent, and runs `meanwhile` before that. */
const crowd = Effect.fnUntraced(function* (send: (near: Peer, i: number) => Sent, meanwhile?: () => void) {
  const { far, near } = yield* connect()
  let demand = 0
  far.afterStream = (stream) => {
    stream.demand = () => demand
    // A bidirectional stream returns its credit when both halves have ended.
    stream.afterEnd = () => stream.send?.write(stream.whole, true, () => {})
  }
  const sent = Array.from({ length: manyStreams }, (_, i) => send(near, i))
  yield* begun(far)
  // The streams within the credit have arrived.
  let count = -1
  yield* until("no more streams come", () => {
    const before = count
    count = far.messages.length
    return before === count
  })
  assert.isTrue(far.messages.every(({ length }) => length === 0))
  meanwhile?.()
  demand = Infinity
  yield* until("all streams end", () => {
    for (const { ends, receive } of far.streams) if (ends.length === 0) receive!.resume()
    return far.messages.length >= manyStreams && far.messages.every(({ ends }) => ends.length === 1)
  })
  yield* until("all are acknowledged", () => sent.every(({ results }) => results.length > 0))
  assert.isTrue(sent.every(({ results }) => results[0] === "done"))
  const texts = new Set(far.messages.map((stream) => stream.text))
  for (let i = 0; i < manyStreams; i++) assert.isTrue(texts.has(`message ${i}`), `message ${i}`)
})

/** The rules about flow control: paused receivers, unread streams and the buffers of writers. */
export const flow: Group = {
  title: "receivers that take their time",
  rules: [
    rule(
      "onData that answers false hears no more until resume, and nothing is lost meanwhile",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        onFirst(far, paused)
        const bytes = pattern(300_000)
        const { results } = near.send(bytes)
        yield* until("a chunk arrives", () => (far.messages[0]?.length ?? 0) > 0)
        const received = far.messages[0]!
        for (let i = 0; i < 3; i++) yield* roundTrip(near)
        assert.strictEqual(received.chunks.length, 1, "chunks for a receiver that pauses")
        received.receive!.resume()
        yield* until("another chunk arrives", () => received.chunks.length >= 2)
        for (let i = 0; i < 3; i++) yield* roundTrip(near)
        assert.strictEqual(received.chunks.length, 2, "chunks for a receiver that pauses again")
        received.resume()
        yield* until("the stream ends", () => received.ends.length === 1)
        yield* until("it is acknowledged", () => results.length > 0)
        assertSame(received.whole, bytes)
      })
    ),
    rule(
      "a receiver may pause at every chunk",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        onFirst(far, (stream) => {
          paused(stream)
          stream.afterChunk = () => queueMicrotask(() => stream.receive!.resume())
        })
        const bytes = pattern(300_000)
        near.send(bytes)
        yield* until("the stream ends", () => far.messages[0]?.ends.length === 1)
        assertSame(far.messages[0]!.whole, bytes)
      })
    ),
    rule(
      "resume from within onData and onEnd, or without a pause, changes nothing",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        onFirst(far, (stream) => {
          stream.afterChunk = () => stream.receive!.resume()
          stream.afterEnd = () => stream.receive!.resume()
        })
        const bytes = pattern(100_000)
        near.send(bytes)
        yield* until("the stream ends", () => far.messages[0]?.ends.length === 1)
        far.messages[0]!.receive!.resume()
        yield* roundTrip(near)
        assertSame(far.messages[0]!.whole, bytes)
      })
    ),
    rule(
      "no chunk is longer than demand has said before it",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        let asked = 0
        onFirst(far, (stream) => {
          stream.demand = () => {
            asked = 1 + ((stream.length * 7) % 997)
            return asked
          }
          stream.afterChunk = (chunk) => {
            if (chunk.length > asked) far.record.faults.push(`${chunk.length} bytes instead of ${asked}`)
            // Demand for one chunk.
            asked = 0
          }
        })
        const bytes = pattern(100_000)
        near.send(bytes)
        yield* until("the stream ends", () => far.messages[0]?.ends.length === 1)
        assertSame(far.messages[0]!.whole, bytes)
      })
    ),
    rule(
      "a demand of 0 leaves the bytes where they are until resume",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        onFirst(far, unwanted)
        const bytes = pattern(10_000)
        near.send(bytes)
        yield* begun(far)
        const received = far.messages[0]!
        for (let i = 0; i < 3; i++) yield* roundTrip(near)
        assert.deepStrictEqual([received.length, received.ends], [0, []])
        received.demand = () => (received.length < 100 ? 100 - received.length : 0)
        received.receive!.resume()
        yield* until("the bytes wanted arrive", () => received.length >= 100)
        for (let i = 0; i < 3; i++) yield* roundTrip(near)
        assert.strictEqual(received.length, 100)
        received.demand = undefined
        received.receive!.resume()
        yield* until("the stream ends", () => received.ends.length === 1)
        assertSame(received.whole, bytes)
      })
    ),
    rule(
      "an unread stream makes its writer wait, and goes on when it is read",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        onFirst(far, unwanted)
        const stream = near.connection.openUni(0)
        const chunk = pattern(64 << 10)
        let written = 0
        let held = true
        const more = () => {
          if (!held || written >= tooMuch) return
          written += chunk.length
          near.write(stream, chunk, false, more)
        }
        more()
        yield* begun(far)
        yield* standstill(near, () => written)
        assert.isBelow(written, tooMuch, "bytes taken of an unread stream")
        held = false
        far.messages[0]!.demand = undefined
        far.messages[0]!.receive!.resume()
        near.write(stream, text("the end"), true)
        yield* until("the stream ends", () => far.messages[0]!.ends.length === 1)
        const expected = Buffer.alloc(written + 7, chunk)
        expected.write("the end", written)
        assertSame(far.messages[0]!.whole, expected)
      })
    ),
    rule(
      "an unread stream holds back neither other streams nor other connections",
      Effect.gen(function* () {
        const { client, far, near, server } = yield* connect()
        const second = yield* connected(client.dial(server.socket.address))
        onFirst(far, paused)
        const held = near.send(pattern(much))
        yield* begun(far)
        for (const peer of [near, far, second]) {
          for (const { results } of [peer.send(pattern(100_000)), peer.ask(pattern(1_000))]) {
            yield* until("another stream is acknowledged", () => results.length > 0)
            assert.deepStrictEqual(results, ["done"])
          }
        }
        assert.deepStrictEqual(held.results, [])
        far.messages[0]!.resume()
        yield* until("the stream ends", () => far.messages[0]!.ends.length === 1)
        assertSame(far.messages[0]!.whole, pattern(much))
      })
    ),
    rule(
      "a stream is not acknowledged before the peer's transport has all of it",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        onFirst(far, unwanted)
        const { results } = near.send(pattern(much))
        yield* begun(far)
        for (let i = 0; i < 5; i++) yield* roundTrip(near)
        assert.deepStrictEqual(results, [])
        far.messages[0]!.demand = undefined
        far.messages[0]!.receive!.resume()
        yield* until("it is acknowledged", () => results.length > 0)
        yield* until("the stream ends", () => far.messages[0]!.ends.length === 1)
        assert.deepStrictEqual(results, ["done"])
      })
    ),
    rule(
      "what is asked for when its stream has its turn is not acknowledged before the peer's transport has all of it",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        onFirst(far, unwanted)
        let asked = 0
        const sent = near.sendWhole(() => {
          asked += 1
          return pattern(much)
        })
        if (sent === undefined) return
        yield* begun(far)
        for (let i = 0; i < 5; i++) yield* roundTrip(near)
        assert.deepStrictEqual([asked, sent.results], [1, []])
        const received = far.messages[0]!
        received.demand = undefined
        received.receive!.resume()
        yield* until("it is acknowledged", () => sent.results.length > 0)
        yield* until("the stream ends", () => received.ends.length === 1)
        assert.deepStrictEqual([asked, sent.results, received.ends], [1, ["done"], [undefined]])
        assertSame(received.whole, pattern(much))
      })
    ),
    rule(
      "near unreadBuffer senders are held back and none is closed, over half of it their IP address dials in vain, and all arrives at last",
      Effect.gen(function* () {
        const size = much / 32
        const server = yield* bind({ unreadBuffer: 2 * much })
        const nears = yield* Effect.forEach([0, 1, 2], () =>
          Effect.flatMap(bind(), (client) => connected(client.dial(server.socket.address)))
        )
        yield* until("all are accepted", () => server.accepted.length === 3)
        for (const peer of server.accepted) peer.afterStream = unwanted
        const sent: Array<Sent> = []
        const send = (near: Peer, messages: number) => {
          for (let i = 0; i < messages; i++) sent.push(near.send(pattern(size, i)))
        }
        const acknowledged = () => sent.filter(({ results }) => results.length > 0).length * size
        send(nears[0]!, 40)
        const stranger = yield* bind()
        yield* until("that has come", () => server.accepted.some(({ streams }) => streams.length >= 36))
        yield* roundTrip(nears[0]!)
        const refused = yield* failed(stranger.dial(server.socket.address))
        assert.deepInclude(refused, { _tag: "TransportError", code: 2 })
        for (const near of nears) send(near, 60)
        let [taken, calm] = [0, 0]
        yield* until("no more is taken", () => {
          calm = acknowledged() === taken ? calm + 1 : 0
          taken = acknowledged()
          return calm >= 50
        })
        // Nothing of it is read, so all that is acknowledged waits at the server.
        assert.isAtMost(taken, 4 * much, "bytes taken with no room for them")
        for (const { closes } of [...nears, ...server.accepted]) assert.deepStrictEqual(closes, [])
        for (const peer of server.accepted) {
          for (const stream of peer.streams) stream.demand = undefined
          peer.afterStream = undefined
        }
        yield* until("all is acknowledged", () => {
          for (const { ends, receive } of server.accepted.flatMap(({ streams }) => streams)) {
            if (ends.length === 0) receive!.resume()
          }
          return sent.every(({ results }) => results[0] === "done")
        })
        const streams = () => server.accepted.flatMap((peer) => peer.streams)
        yield* until("all has arrived", () => streams().every(({ ends }) => ends.length === 1))
        assert.isAtLeast(
          streams().reduce((sum, { length }) => sum + length, 0),
          sent.length * size
        )
        yield* dialledAtLast(stranger, server.socket.address)
      })
    ),
    rule(
      "what is added while a stream waits for credit goes along, and is asked for once",
      Effect.suspend(() => {
        const last = manyStreams - 1
        let content = "message "
        let asked = 0
        const growing = () => {
          asked += 1
          return text(content)
        }
        const add = () => {
          content += `${last}`
        }
        const sending = crowd((near, i) => {
          const whole = i === last ? near.sendWhole(growing) : undefined
          return whole ?? near.send(text(`message ${i}`))
        }, add)
        return Effect.andThen(
          sending,
          Effect.sync(() => assert.isAtMost(asked, 1))
        )
      })
    ),
    rule(
      `of ${manyStreams} unidirectional streams at once, those without credit wait with their data, and all arrive`,
      crowd((near, i) => near.send(text(`message ${i}`)))
    ),
    rule(
      `of ${manyStreams} bidirectional streams at once, those without credit wait with their data, and all arrive`,
      crowd((near, i) => near.ask(text(`message ${i}`)))
    )
  ]
}
