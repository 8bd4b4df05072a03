/** Rules about callbacks and what they may call. */
import { ApplicationClosed, LocallyClosed } from "@qp2p/core/Close"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import { pattern, text } from "./content.ts"
import type { Outcome, Peer } from "./recording/peer.ts"
import { Received } from "./recording/received.ts"
import { type Bound, bind } from "./recording/socket.ts"
import { type Group, rule } from "./rule.ts"
import { connect, connected, failed, roundTrip, until } from "./steps.ts"

/** Runs `call`, and fails if one of `sockets` received an event during it. */
const withoutEvents = (what: string, sockets: ReadonlyArray<Bound>, call: () => void) => {
  const count = () => sockets.map(({ log }) => log.events.length)
  const before = count()
  call()
  for (const [i, { log }] of sockets.entries()) {
    assert.deepStrictEqual(log.events.slice(before[i]), [], `told from within ${what}`)
  }
}

/** A stream whose first bytes have arrived and whose reader pauses, with its sender, whose writes are pending. */
const halfway = Effect.fnUntraced(function* ({ far, near }: { readonly near: Peer; readonly far: Peer }) {
  far.afterStream = (stream) => {
    stream.pausing = true
  }
  const asked = near.ask(pattern(1 << 20))
  yield* until("the stream begins", () => far.messages.length > 0)
  return { ...asked, received: far.messages[0]! }
})

/** The rules about the order of callbacks and the calls that a callback may make. */
export const callbacks: Group = {
  title: "callbacks",
  rules: [
    rule(
      "dial reports nothing from within the call, whether it can succeed or not",
      Effect.gen(function* () {
        const server = yield* bind()
        const client = yield* bind({ maxConnections: 1 })
        const nowhere = NetAddress.inetAddressUnsafe(server.socket.address.address, 0)
        withoutEvents("dial to port 0", [client], () => client.dial(nowhere))
        const dials: Array<ReturnType<typeof client.dial>> = []
        withoutEvents("dial", [client, server], () => dials.push(client.dial(server.socket.address)))
        withoutEvents("dial beyond maxConnections", [client], () => dials.push(client.dial(server.socket.address)))
        yield* connected(dials[0]!)
        yield* failed(dials[1]!)
      })
    ),
    rule(
      "a dial that cannot succeed, given up at once, reports nothing",
      Effect.gen(function* () {
        const { dial, log, socket } = yield* bind()
        dial(NetAddress.inetAddressUnsafe(socket.address.address, 0)).cancel()
        yield* connect()
        assert.deepStrictEqual(log.events, [])
      })
    ),
    rule(
      "dial after the scope has closed reports nothing from within the call",
      Effect.gen(function* () {
        const server = yield* bind()
        const scope = yield* Scope.make()
        const client = yield* Scope.provide(bind(), scope)
        yield* Scope.close(scope, Exit.void)
        withoutEvents("dial", [client], () => client.dial(server.socket.address))
      })
    ),
    rule(
      "close reports nothing from within the call",
      Effect.gen(function* () {
        const pair = yield* connect()
        yield* halfway(pair)
        withoutEvents("close", [pair.client, pair.server], () => pair.near.connection.close(1, ""))
        yield* until("the closer hears of it", () => pair.near.closes.length > 0)
      })
    ),
    rule(
      "openUni, openBi, write and setPriority report nothing from within the call",
      Effect.gen(function* () {
        const { client, far, near, server } = yield* connect()
        const streams: Array<ReturnType<typeof near.connection.openUni>> = []
        const both = [client, server]
        withoutEvents("openUni", both, () => streams.push(near.connection.openUni(1)))
        withoutEvents("openBi", both, () => streams.push(near.connection.openBi(1, new Received(near.record)).send))
        for (const stream of streams) {
          withoutEvents("write", both, () => near.write(stream, text("begun"), false))
          withoutEvents("setPriority", both, () => stream.setPriority(2))
          withoutEvents("write with fin", both, () => near.write(stream, text(", and done"), true))
        }
        yield* until("both arrive", () => far.messages.filter(({ ends }) => ends.length > 0).length === 2)
      })
    ),
    rule(
      "resume and stop report nothing from within the call",
      Effect.gen(function* () {
        const pair = yield* connect()
        const { received, results } = yield* halfway(pair)
        const both = [pair.client, pair.server]
        withoutEvents("resume", both, () => received.receive!.resume())
        yield* until("another chunk arrives", () => received.chunks.length > 1)
        withoutEvents("stop", both, () => pair.far.stop(received.receive!, 1))
        yield* until("the write fails", () => results.length > 0)
      })
    ),
    rule(
      "reset reports nothing from within the call",
      Effect.gen(function* () {
        const pair = yield* connect()
        const { received, stream } = yield* halfway(pair)
        const both = [pair.client, pair.server]
        withoutEvents("reset", both, () => stream.reset(1))
        const { near } = pair
        const unused = near.connection.openBi(0, new Received(near.record))
        withoutEvents("reset before anything was written", both, () => unused.send.reset(2))
        received.resume()
        yield* until("the receiver hears of it", () => received.ends.length > 0)
      })
    ),
    rule(
      "done may write again",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const stream = near.connection.openUni(0)
        let left = 300
        const last: Array<Outcome> = []
        const next = () => {
          left--
          const then = left === 0 ? (outcome: Outcome) => void last.push(outcome) : next
          near.write(stream, Uint8Array.of(left & 0xff), left === 0, then)
        }
        next()
        yield* until("the last write is acknowledged", () => last.length > 0)
        yield* until("the stream ends", () => far.messages[0]?.ends.length === 1)
        assert.strictEqual(far.messages[0]!.length, 300)
        assert.isTrue(far.messages[0]!.whole.every((byte, i) => byte === ((299 - i) & 0xff)))
      })
    ),
    rule(
      "onConnected and onConnection may open streams and write",
      Effect.gen(function* () {
        const hello = (peer: Peer) => {
          peer.send(text("hello"))
          peer.ask(text("who are you?"))
        }
        const { far, near } = yield* connect({ client: { onPeer: hello }, server: { onPeer: hello } })
        for (const peer of [near, far]) {
          const ended = () => peer.messages.filter(({ ends, length }) => ends.length > 0 && length > 0)
          yield* until("both streams arrive", () => ended().length === 2)
          const texts = ended().map((stream) => stream.text)
          assert.deepStrictEqual(texts.toSorted(), ["hello", "who are you?"])
        }
      })
    ),
    rule(
      "onConnection may close",
      Effect.gen(function* () {
        const server = yield* bind({ onPeer: ({ connection }) => connection.close(6, "not you") })
        const client = yield* bind()
        const near = yield* connected(client.dial(server.socket.address))
        yield* until("both know", () => near.closes.length > 0 && server.accepted[0]!.closes.length > 0)
        assert.deepStrictEqual(near.closes, [new ApplicationClosed({ code: 6, detail: "not you" })])
        assert.deepStrictEqual(server.accepted[0]!.closes, [new LocallyClosed()])
      })
    ),
    rule(
      "onStream may stop the stream and reset its answer, and nothing more is heard of it",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        far.afterStream = (stream) => {
          if (stream.send === undefined) return
          far.stop(stream.receive!, 1)
          stream.send.reset(2)
        }
        const { answer, results } = near.ask(pattern(1 << 20))
        yield* until("both halves are over", () => results.length > 0 && answer.ends.length > 0)
        yield* roundTrip(near)
        assert.strictEqual(far.filled.filter(({ send }) => send !== undefined).length, 0)
      })
    ),
    rule(
      "onData and onEnd may answer on the same stream and on others",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        far.afterStream = (stream) => {
          stream.afterChunk = (chunk) => stream.send!.write(chunk.slice(), false, () => {})
          stream.afterEnd = () => {
            if (stream.length === 0) return
            far.write(stream.send!, text("!"), true)
            far.send(text("and another thing"))
          }
        }
        const { answer } = near.ask(text("echo"))
        yield* until("the answer ends", () => answer.ends.length > 0)
        yield* until("the other stream ends", () => near.messages.some(({ ends }) => ends.length > 0))
        assert.strictEqual(answer.text, "echo!")
        assert.deepStrictEqual(
          near.filled.map((stream) => stream.text),
          ["and another thing"]
        )
      })
    ),
    rule(
      "onData may close the connection, and nothing more arrives",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        let chunks = 0
        far.afterStream = (stream) => {
          stream.afterChunk = () => {
            chunks++
            far.connection.close(1, "")
          }
        }
        for (let i = 0; i < 5; i++) near.send(pattern(100_000))
        yield* until("the closer hears of it", () => far.closes.length > 0)
        assert.deepStrictEqual([far.closes, chunks], [[new LocallyClosed()], 1])
      })
    ),
    rule(
      "onClosed and onFailed may dial again",
      Effect.gen(function* () {
        const server = yield* bind()
        const client = yield* bind()
        const near = yield* connected(client.dial(server.socket.address))
        const again: Array<ReturnType<typeof client.dial>> = []
        near.heedClose = () => {
          client.socket.dial(NetAddress.inetAddressUnsafe(server.socket.address.address, 0), {
            onConnected: () => near,
            onFailed: () => again.push(client.dial(server.socket.address))
          })
        }
        near.connection.close(0, "")
        yield* until("it is dialled again", () => again.length > 0)
        yield* roundTrip(yield* connected(again[0]!))
      })
    )
  ]
}
