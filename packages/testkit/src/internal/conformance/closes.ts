/** Rules about the end of connections and sockets. */
import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed } from "@qp2p/core/Close"
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import { pattern, text } from "./content.ts"
import type { Peer } from "./recording/peer.ts"
import { Received } from "./recording/received.ts"
import { bind } from "./recording/socket.ts"
import { type Group, rule, Environment } from "./rule.ts"
import { connect, connected, roundTrip, until } from "./steps.ts"

/**
 * Waits until `peer` gets the report that its connection ended. It keeps sending meanwhile: a lost close notice is repeated only
 * to a peer that still sends.
 */
const closeOf = Effect.fnUntraced(function* (peer: Peer) {
  let turns = 0
  yield* until("the peer hears of the close", () => {
    turns++
    if (turns % 20 === 0 && peer.closes.length === 0) peer.connection.openUni(0).write(text("?"), true, () => {})
    return peer.closes.length > 0
  })
  return peer.closes[0]!
})

const tagOf = ({ _tag }: Close) => _tag

/** The rules about closes by either side, idle timeouts and keep-alive. */
export const closes: Group = {
  title: "the end of connections",
  rules: [
    ...[0, 42, Number.MAX_SAFE_INTEGER].map((code) =>
      rule(
        `close with code ${code} tells the peer code and reason, and this side that it was closed locally`,
        Effect.gen(function* () {
          const { far, near } = yield* connect()
          near.connection.close(code, "that was it – und aus")
          near.connection.close(9, "again")
          assert.deepStrictEqual(yield* closeOf(far), new ApplicationClosed({ code, detail: "that was it – und aus" }))
          yield* until("the closer hears of it", () => near.closes.length > 0)
          assert.deepStrictEqual(near.closes, [new LocallyClosed()])
        })
      )
    ),
    rule(
      "the accepting side may close, too",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        far.connection.close(5, "enough")
        assert.deepStrictEqual(yield* closeOf(near), new ApplicationClosed({ code: 5, detail: "enough" }))
        yield* until("the closer hears of it", () => far.closes.length > 0)
        assert.deepStrictEqual(far.closes, [new LocallyClosed()])
      })
    ),
    rule(
      "when both sides close at once, each hears of one end",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        near.connection.close(1, "")
        far.connection.close(2, "")
        yield* until("both know", () => near.closes.length > 0 && far.closes.length > 0)
        for (const { closes } of [near, far]) {
          assert.include(["LocallyClosed", "ApplicationClosed"], tagOf(closes[0]!))
        }
      })
    ),
    rule(
      "a close ends the streams and writes of both sides with its reason, and then the connection",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const order: Array<string> = []
        far.afterStream = (stream) => {
          stream.pausing = true
        }
        const answer = new Received(near.record)
        answer.afterEnd = () => order.push("stream")
        const { send } = near.connection.openBi(0, answer)
        const question = near.write(send, pattern(1 << 20), true, () => order.push("write"))
        near.heedClose = () => order.push("connection")
        yield* until("the stream begins", () => far.messages.length > 0)
        const received = far.messages[0]!
        const answered = far.write(received.send!, pattern(4 << 20), true)
        answer.pausing = true
        near.connection.close(3, "enough")
        const close = yield* closeOf(far)
        yield* until("the closer hears of it", () => near.closes.length > 0)
        const local = new LocallyClosed()
        assert.deepStrictEqual([question, answer.ends, near.closes], [[local], [local], [local]])
        assert.deepStrictEqual([answered, received.ends], [[close], [close]])
        assert.strictEqual(order.at(-1), "connection")
        assert.strictEqual(order.length, 3)
      })
    ),
    rule(
      "all data that arrived before a close is offered before it, also to receivers that pause",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        far.afterStream = (stream) => {
          stream.pausing = true
          if (far.messages.length > 1) stream.demand = () => 0
        }
        const messages = [pattern(20_000, 1), pattern(20_000, 2)]
        const ended: Array<unknown> = []
        for (const message of messages) {
          const { results } = near.send(message)
          // The acknowledgement shows that it has arrived.
          yield* until("it is acknowledged", () => results.length > 0)
        }
        far.heedClose = () => ended.push(...far.messages.map(({ ends, length }) => ({ length, ends: ends.slice() })))
        near.connection.close(0, "")
        yield* closeOf(far)
        assert.deepStrictEqual(
          ended,
          messages.map(() => ({ length: 20_000, ends: [undefined] }))
        )
        for (const [i, { whole }] of far.messages.entries()) assert.isTrue(Buffer.compare(whole, messages[i]!) === 0)
      })
    ),
    rule(
      "a connection that is over is silent, and calls on it do nothing",
      Effect.gen(function* () {
        const { client, far, near, server } = yield* connect()
        far.afterStream = (stream) => {
          stream.pausing = true
        }
        const asked = near.ask(pattern(1 << 20))
        yield* until("the stream begins", () => far.messages.length > 0)
        near.connection.close(1, "")
        yield* closeOf(far)
        yield* until("the closer hears of it", () => near.closes.length > 0)
        const told = [client.log.events.length, server.log.events.length]
        const late: Array<ReadonlyArray<unknown>> = []
        for (const { closes, connection, log, write } of [near, far].map((peer) => ({
          closes: peer.closes,
          connection: peer.connection,
          log: peer.record,
          write: peer.write.bind(peer)
        }))) {
          connection.close(2, "late")
          connection.checkAlive?.()
          connection.stats()
          const stream = connection.openUni(1)
          late.push([write(stream, text("late"), true), closes[0]])
          stream.setPriority(2)
          stream.reset(3)
          const both = connection.openBi(0, new Received({ events: [], faults: log.faults }))
          both.receive.resume()
          both.receive.stop(4)
          both.send.reset(5)
        }
        for (const { receive, send } of [asked.answer, ...far.messages]) {
          receive!.resume()
          receive!.stop(6)
          send?.setPriority(7)
          send?.reset(8)
        }
        // By now, a late event would have been reported.
        yield* roundTrip(yield* connected(client.dial(server.socket.address)))
        assert.deepStrictEqual([near.closes.length, far.closes.length], [1, 1])
        for (const [outcomes, close] of late) assert.deepStrictEqual(outcomes, [close])
        const more = (events: ReadonlyArray<string>, from: number) =>
          events.slice(from).filter((event) => event === "closed").length
        assert.deepStrictEqual([more(client.log.events, told[0]!), more(server.log.events, told[1]!)], [0, 0])
      })
    ),
    rule(
      "closing the scope closes every connection before it is done, and tells the peers",
      Effect.gen(function* () {
        const { lossy } = yield* Environment
        const server = yield* bind({ idleTimeout: Duration.seconds(3), keepAliveInterval: Duration.infinity })
        const scope = yield* Scope.make()
        const client = yield* Scope.provide(bind({ keepAliveInterval: Duration.millis(250) }), scope)
        for (let i = 0; i < 4; i++) yield* connected(client.dial(server.socket.address))
        yield* until("all are accepted", () => server.accepted.length === 4)
        yield* connected(server.dial(client.socket.address))
        yield* until("it is accepted", () => client.accepted.length === 1)
        yield* Scope.close(scope, Exit.void)
        for (const { closes } of [...client.dialled, ...client.accepted]) {
          assert.deepStrictEqual(closes, [new LocallyClosed()])
        }
        const others = [...server.accepted, ...server.dialled]
        yield* until("the peers hear of it", () => others.every(({ closes }) => closes.length > 0))
        const told = others.filter(({ closes }) => tagOf(closes[0]!) === "ApplicationClosed")
        for (const { closes } of told) assert.deepStrictEqual(closes, [new ApplicationClosed({ code: 0, detail: "" })])
        // A closed socket cannot repeat a lost close notice.
        assert.isAtLeast(told.length, lossy ? 2 : others.length)
      })
    ),
    rule(
      "closing the scope frees the port at once",
      Effect.gen(function* () {
        const server = yield* bind()
        const scope = yield* Scope.make()
        const first = yield* Scope.provide(bind(), scope)
        yield* connected(first.dial(server.socket.address))
        yield* Scope.close(scope, Exit.void)
        const again = yield* bind({ local: NetAddress.formatInet(first.socket.address) })
        yield* roundTrip(yield* connected(again.dial(server.socket.address)))
      })
    ),
    rule(
      "an unused connection ends with IdleTimedOut on both sides, and so do its streams",
      Effect.gen(function* () {
        const idle = { idleTimeout: Duration.seconds(1), keepAliveInterval: Duration.infinity }
        const { far, near } = yield* connect({ client: idle, server: idle })
        const answer = new Received(near.record)
        near.write(near.connection.openBi(0, answer).send, text("begun"), false)
        yield* until("both ends are over", () => near.closes.length > 0 && far.closes.length > 0)
        for (const { closes } of [near, far]) assert.deepStrictEqual(closes, [new IdleTimedOut()])
        for (const { ends } of [answer, far.messages[0]!]) assert.deepStrictEqual(ends, [new IdleTimedOut()])
      })
    ),
    ...(["client", "server"] as const).map((side) =>
      rule(
        `the smaller idle timeout counts for both sides: that of the ${side === "client" ? "dialling" : "accepting"} one`,
        Effect.gen(function* () {
          const keepAliveInterval = Duration.infinity
          const { far, near } = yield* connect({
            client: { keepAliveInterval },
            server: { keepAliveInterval },
            [side]: { keepAliveInterval, idleTimeout: Duration.seconds(1) }
          })
          yield* until("both ends are over", () => near.closes.length > 0 && far.closes.length > 0)
          for (const { closes } of [near, far]) assert.deepStrictEqual(closes, [new IdleTimedOut()])
        })
      )
    ),
    ...(["client", "server"] as const).map((side) =>
      rule(
        `keep-alive of the ${side === "client" ? "dialling" : "accepting"} side keeps an unused connection open`,
        Effect.gen(function* () {
          // Long enough that a process which is busy for a while does not exceed it.
          const idle = { idleTimeout: Duration.seconds(3), keepAliveInterval: Duration.infinity }
          const { far, near } = yield* connect({
            client: idle,
            server: idle,
            [side]: { ...idle, keepAliveInterval: Duration.millis(200) }
          })
          // Other connections serve as a clock: three idle timeouts pass, one after the other.
          for (let i = 0; i < 3; i++) {
            const other = yield* connect({ client: idle, server: idle })
            yield* until("an idle connection is over", () => other.near.closes.length > 0)
          }
          assert.deepStrictEqual([near.closes, far.closes], [[], []])
          yield* roundTrip(near)
          yield* roundTrip(far)
        })
      )
    ),
    ...(["client", "server"] as const).map((side) =>
      rule(
        `keep-alive follows the smaller idle timeout, though it is that of the ${side === "client" ? "dialling" : "accepting"} side, which sends no pings`,
        Effect.gen(function* () {
          const idle = { idleTimeout: Duration.seconds(3), keepAliveInterval: Duration.infinity }
          const { far, near } = yield* connect({ [side]: idle })
          // Other connections serve as a clock: three idle timeouts pass, one after the other.
          for (let i = 0; i < 3; i++) {
            const other = yield* connect({ client: idle, server: idle })
            yield* until("an idle connection is over", () => other.near.closes.length > 0)
          }
          assert.deepStrictEqual([near.closes, far.closes], [[], []])
          yield* roundTrip(near)
          yield* roundTrip(far)
        })
      )
    ),
    rule(
      "a connection that is told to time out ends with IdleTimedOut, and so do its streams",
      Effect.gen(function* () {
        const { near } = yield* connect()
        if (near.connection.timeOut === undefined) return
        const answer = new Received(near.record)
        near.write(near.connection.openBi(0, answer).send, text("begun"), false)
        near.connection.timeOut()
        yield* until("it is over", () => near.closes.length > 0)
        assert.deepStrictEqual([near.closes, answer.ends], [[new IdleTimedOut()], [new IdleTimedOut()]])
      })
    ),
    rule(
      "a peer that answers is not told to be silent, though its application takes its time",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const answer = new Received(near.record)
        near.write(near.connection.openBi(0, answer).send, text("a question"), true)
        yield* until("the question has come", () => far.messages.length > 0)
        // Other connections serve as a clock: their idle timeout passes.
        const idle = { idleTimeout: Duration.seconds(5), keepAliveInterval: Duration.infinity }
        const other = yield* connect({ client: idle, server: idle })
        yield* until("an idle connection is over", () => other.near.closes.length > 0)
        assert.isFalse(near.connection.isUnresponsive ?? false)
        assert.deepStrictEqual([near.silences, near.closes], [0, []])
      })
    ),
    rule(
      "asking for a sign of life does no harm to a connection that lives",
      Effect.gen(function* () {
        const { far, near } = yield* connect({
          client: { keepAliveInterval: Duration.infinity },
          server: { keepAliveInterval: Duration.infinity }
        })
        near.connection.checkAlive?.()
        far.connection.checkAlive?.()
        // Other connections serve as a clock: their idle timeout passes.
        const idle = { idleTimeout: Duration.seconds(5), keepAliveInterval: Duration.infinity }
        const other = yield* connect({ client: idle, server: idle })
        yield* until("an idle connection is over", () => other.near.closes.length > 0)
        assert.deepStrictEqual([near.closes, far.closes], [[], []])
        yield* roundTrip(near)
      })
    )
  ]
}
