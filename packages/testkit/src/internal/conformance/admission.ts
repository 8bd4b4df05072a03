/** Rules about the admission of peers, and about the acceptance that a dialler hears of. */
import { EndpointStopped, PeerRefused } from "@qp2p/core/ConnectionError"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { text } from "./content.ts"
import type { Peer } from "./recording/peer.ts"
import { bind, type Bound, type Handshake } from "./recording/socket.ts"
import { type Group, rule } from "./rule.ts"
import { connect, connected, dialledAtLast, failed, roundTrip, until } from "./steps.ts"

const wait = () => {}

const refuse = ({ decide }: Handshake) => decide(false)

/** Leaves the first peer to the rule, and admits the others. */
const firstWaits = () => {
  let isFirst = true
  return ({ decide }: Handshake) => {
    if (!isFirst) decide(true)
    isFirst = false
  }
}

/** Messages of another dialler: what was to arrive at `server` before has arrived when they have. */
const others = Effect.fnUntraced(function* (server: Bound) {
  const other = yield* bind()
  const near = yield* connected(other.dial(server.socket.address))
  for (let i = 0; i < 3; i++) yield* roundTrip(near)
})

/** A dialled connection that the acceptor has not decided about, with a message and a question on it. */
const undecided = Effect.fnUntraced(function* (server: Bound) {
  const client = yield* bind()
  const near = yield* connected(client.dial(server.socket.address))
  const { results } = near.send(text("hello"))
  const { answer, results: asked } = near.ask(text("who are you?"))
  yield* until("the acceptor is asked", () => server.handshakes.length > 0)
  yield* others(server)
  return { answer, asked, client, near, results }
})

/** Answers each question. */
const answering = (peer: Peer) => {
  peer.afterStream = (stream) => {
    stream.afterEnd = () => {
      if (stream.send !== undefined) peer.write(stream.send, text("me"), true)
    }
  }
}

/** Checks that a dialler was told that it is refused, and nothing else. */
const isRefused = (near: Peer) => {
  const [close, ...more] = near.closes
  assert.deepInclude(close, { _tag: "ApplicationClosed", code: ErrorCode.refused })
  assert.deepStrictEqual(more, [])
}

/** The rules about `onHandshake` and `onAccepted`. */
export const admission: Group = {
  title: "the admission of peers",
  rules: [
    rule(
      "a dialled connection is accepted once the acceptor has admitted it, an inbound one from the beginning",
      Effect.gen(function* () {
        let wasAccepted: boolean | undefined
        const server = yield* bind({ admission: wait })
        const client = yield* bind({ onPeer: ({ connection }) => void (wasAccepted = connection.isAccepted) })
        const near = yield* connected(client.dial(server.socket.address))
        yield* until("the acceptor is asked", () => server.handshakes.length > 0)
        assert.deepStrictEqual([wasAccepted, near.connection.isAccepted, near.acceptances], [false, false, 0])
        server.handshakes[0]!.decide(true)
        yield* until("the connection is accepted", () => near.acceptances > 0)
        assert.isTrue(near.connection.isAccepted)
        yield* until("the acceptor has the connection", () => server.accepted.length > 0)
        const far = server.accepted[0]!
        yield* roundTrip(near)
        yield* roundTrip(far)
        assert.deepStrictEqual([far.connection.isAccepted, far.acceptances, near.acceptances], [true, 0, 1])
      })
    ),
    rule(
      "what arrives before the acceptor has decided is delivered afterwards, whole",
      Effect.gen(function* () {
        const server = yield* bind({ admission: firstWaits(), onPeer: answering })
        const { answer, near } = yield* undecided(server)
        assert.strictEqual(server.accepted.length, 1, "a connection was reported before it was admitted")
        server.handshakes[0]!.decide(true)
        yield* until("the acceptor has the connection", () => server.accepted.length > 1)
        const far = server.accepted[1]!
        yield* until("both streams arrive", () => far.filled.filter(({ ends }) => ends.length > 0).length === 2)
        assert.deepStrictEqual(far.filled.map((stream) => stream.text).toSorted(), ["hello", "who are you?"])
        yield* until("the answer arrives", () => answer.ends.length > 0)
        assert.strictEqual(answer.text, "me")
        assert.deepStrictEqual(near.closes, [])
      })
    ),
    rule(
      "nothing is acknowledged before the acceptor has decided, and everything afterwards",
      Effect.gen(function* () {
        const server = yield* bind({ admission: firstWaits() })
        const { asked, results } = yield* undecided(server)
        assert.deepStrictEqual([results, asked], [[], []])
        server.handshakes[0]!.decide(true)
        yield* until("the message is acknowledged", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
      })
    ),
    rule(
      "a peer that the acceptor refuses is told code 4, and nothing on its connection is delivered or acknowledged",
      Effect.gen(function* () {
        const server = yield* bind({ admission: refuse })
        const client = yield* bind()
        const near = yield* connected(client.dial(server.socket.address))
        const { results } = near.send(text("hello"))
        yield* until("the dialler hears of the refusal", () => near.closes.length > 0)
        isRefused(near)
        assert.deepStrictEqual(results, near.closes)
        assert.deepStrictEqual([near.acceptances, near.connection.isAccepted], [0, false])
        assert.deepStrictEqual(server.log.events, ["handshake"])
      })
    ),
    rule(
      "a peer that the acceptor refuses later is told code 4, and nothing on its connection is delivered or acknowledged",
      Effect.gen(function* () {
        const server = yield* bind({ admission: firstWaits() })
        const { asked, near, results } = yield* undecided(server)
        server.handshakes[0]!.decide(false)
        yield* until("the dialler hears of the refusal", () => near.closes.length > 0)
        isRefused(near)
        assert.deepStrictEqual([results, asked], [near.closes, near.closes])
        assert.strictEqual(server.accepted.length, 1)
        assert.deepStrictEqual(
          server.accepted[0]!.filled.map((stream) => stream.text),
          ["probe", "probe", "probe"]
        )
      })
    ),
    rule(
      "a refused connection leaves its place to another",
      Effect.gen(function* () {
        let isFirst = true
        const server = yield* bind({
          maxConnections: 1,
          admission: ({ decide }) => {
            decide(!isFirst)
            isFirst = false
          }
        })
        const client = yield* bind({ maxConnections: 1 })
        const near = yield* connected(client.dial(server.socket.address))
        yield* until("the dialler hears of the refusal", () => near.closes.length > 0)
        yield* roundTrip(yield* dialledAtLast(client, server.socket.address))
      })
    ),
    rule(
      "a peer that the dialler refuses fails the dial with PeerRefused, and learns nothing of it",
      Effect.gen(function* () {
        const server = yield* bind({ admission: ({ decide }) => decide(true) })
        const client = yield* bind({ admission: refuse })
        const { address } = server.socket
        const error = yield* failed(client.dial(address))
        assert.deepStrictEqual(error, new PeerRefused({ peerId: server.identity.peerId, address, by: "Local" }))
        yield* others(server)
        assert.deepStrictEqual([server.handshakes.length, server.accepted.length], [1, 1])
      })
    ),
    rule(
      "a dialler that has not decided has no connection, and the peer learns nothing of it; then it connects",
      Effect.gen(function* () {
        const server = yield* bind({ admission: ({ decide }) => decide(true) })
        const client = yield* bind({ admission: wait })
        const dial = client.dial(server.socket.address)
        yield* until("the dialler is asked", () => client.handshakes.length > 0)
        yield* others(server)
        assert.deepStrictEqual([server.handshakes.length, server.accepted.length], [1, 1])
        assert.deepStrictEqual([dial.connected, dial.failed], [[], []])
        client.handshakes[0]!.decide(true)
        yield* roundTrip(yield* connected(dial))
      })
    ),
    rule(
      "a decision that never comes at the acceptor refuses the peer after the handshake timeout",
      Effect.gen(function* () {
        const server = yield* bind({ admission: wait, handshakeTimeout: Duration.seconds(1) })
        const client = yield* bind()
        const near = yield* connected(client.dial(server.socket.address))
        const { results } = near.send(text("hello"))
        yield* until("the dialler hears of the refusal", () => near.closes.length > 0)
        isRefused(near)
        assert.deepStrictEqual(results, near.closes)
        assert.deepStrictEqual(server.log.events, ["handshake"])
      })
    ),
    rule(
      "a decision that never comes at the dialler fails the dial with PeerRefused after the handshake timeout",
      Effect.gen(function* () {
        const server = yield* bind({ admission: ({ decide }) => decide(true) })
        const client = yield* bind({ admission: wait, handshakeTimeout: Duration.seconds(1) })
        const { address } = server.socket
        const error = yield* failed(client.dial(address))
        assert.deepStrictEqual(error, new PeerRefused({ peerId: server.identity.peerId, address, by: "Local" }))
        assert.deepStrictEqual(client.log.events, ["handshake", "failed"])
        assert.deepStrictEqual(server.log.events, [])
      })
    ),
    rule(
      "a question that is not answered ends with its connection, once, and an answered one does not",
      Effect.gen(function* () {
        const server = yield* bind({ admission: wait, handshakeTimeout: Duration.seconds(1) })
        const client = yield* bind({ admission: ({ decide }) => decide(true) })
        const near = yield* connected(client.dial(server.socket.address))
        yield* until("the question ends", () => server.handshakes[0]?.cancelled === 1)
        yield* until("the dialler hears of the refusal", () => near.closes.length > 0)
        const cancelled = [server, client].map(({ handshakes }) => handshakes.map((each) => each.cancelled))
        assert.deepStrictEqual(cancelled, [[1], [0]])
      })
    ),
    rule(
      "a decision about a connection that has ended does nothing",
      Effect.gen(function* () {
        const server = yield* bind({ admission: firstWaits() })
        const { near } = yield* undecided(server)
        near.connection.close(0, "")
        yield* until("the closer hears of it", () => near.closes.length > 0)
        yield* others(server)
        server.handshakes[0]!.decide(true)
        yield* others(server)
        assert.strictEqual(server.accepted.length, 3)
        assert.deepStrictEqual(near.acceptances, 0)
      })
    ),
    rule(
      "a dial that is given up before the decision about its peer reports nothing, and the peer learns nothing of it",
      Effect.gen(function* () {
        const server = yield* bind({ admission: ({ decide }) => decide(true) })
        const client = yield* bind({ admission: wait })
        const dial = client.dial(server.socket.address)
        yield* until("the dialler is asked", () => client.handshakes.length > 0)
        dial.cancel()
        client.handshakes[0]!.decide(true)
        yield* others(server)
        assert.deepStrictEqual([dial.connected, dial.failed], [[], []])
        assert.deepStrictEqual([server.handshakes.length, server.accepted.length], [1, 1])
      })
    ),
    rule(
      "closing the scope fails the dials whose peers are not decided about with EndpointStopped",
      Effect.gen(function* () {
        const server = yield* bind()
        const scope = yield* Scope.make()
        const client = yield* Scope.provide(bind({ admission: wait }), scope)
        const dial = client.dial(server.socket.address)
        yield* until("the dialler is asked", () => client.handshakes.length > 0)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* failed(dial), new EndpointStopped())
        client.handshakes[0]!.decide(true)
        yield* roundTrip((yield* connect()).near)
        assert.deepStrictEqual(dial.connected, [])
      })
    ),
    rule(
      "a later decision reports nothing from within the call",
      Effect.gen(function* () {
        const server = yield* bind({ admission: wait })
        const client = yield* bind({ admission: wait })
        const dial = client.dial(server.socket.address)
        for (const asked of [client, server]) {
          yield* until("the socket is asked", () => asked.handshakes.length > 0)
          const events = () => [client.log.events.length, server.log.events.length]
          const before = events()
          asked.handshakes[0]!.decide(true)
          assert.deepStrictEqual(events(), before, "told from within decide")
        }
        yield* roundTrip(yield* connected(dial))
      })
    )
  ]
}
