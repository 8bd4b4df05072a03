/** Rules about the keys of peers. */
import { PeerMismatch } from "@qp2p/core/ConnectionError"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as TestIdentity from "../../TestIdentity.ts"
import { text } from "./content.ts"
import { type Bound, bind, type Handshake } from "./recording/socket.ts"
import { type Group, rule } from "./rule.ts"
import { connect, connected, failed, roundTrip, until } from "./steps.ts"

/** A key that no socket of these rules has. */
const stranger = TestIdentity.make("a stranger").peerId

const admit = ({ decide }: Handshake) => decide(true)

/** The texts that have arrived at a socket, in order. */
const heard = ({ accepted }: Bound) => accepted.flatMap(({ filled }) => filled.map((stream) => stream.text))

/** The rules about the keys that both sides prove, and about a dial that expects one. */
export const keys: Group = {
  title: "the keys of peers",
  rules: [
    rule(
      "both ends of a connection know the key of the other",
      Effect.gen(function* () {
        const { client, far, near, server } = yield* connect()
        assert.strictEqual(near.connection.peerId, server.identity.peerId)
        assert.strictEqual(far.connection.peerId, client.identity.peerId)
      })
    ),
    rule(
      "a dial that expects the key of the peer connects",
      Effect.gen(function* () {
        const server = yield* bind()
        const client = yield* bind()
        const near = yield* connected(client.dial(server.socket.address, server.identity.peerId))
        yield* roundTrip(near)
      })
    ),
    rule(
      "a dial that expects another key fails with PeerMismatch, and the peer learns nothing of it",
      Effect.gen(function* () {
        const server = yield* bind({ admission: admit })
        const client = yield* bind({ admission: admit })
        const error = yield* failed(client.dial(server.socket.address, stranger))
        const { peerId: actual } = server.identity
        assert.deepStrictEqual(error, new PeerMismatch({ expected: stranger, actual, address: server.socket.address }))
        assert.deepStrictEqual(client.log.events, ["failed"])
        // Whatever the dial may have caused has arrived when a later dial has succeeded.
        const other = yield* bind()
        yield* roundTrip(yield* connected(other.dial(server.socket.address)))
        assert.deepStrictEqual(
          server.handshakes.map(({ peer }) => peer.peerId),
          [other.identity.peerId]
        )
        assert.strictEqual(server.accepted.length, 1)
      })
    ),
    rule(
      "a dial that met another key leaves its place to another",
      Effect.gen(function* () {
        const server = yield* bind()
        const client = yield* bind({ maxConnections: 1 })
        yield* failed(client.dial(server.socket.address, stranger))
        yield* roundTrip(yield* connected(client.dial(server.socket.address, server.identity.peerId)))
      })
    ),
    rule(
      "both sides are asked about the peer, with its key, its address and the direction",
      Effect.gen(function* () {
        const server = yield* bind({ admission: admit })
        const client = yield* bind({ admission: admit })
        yield* roundTrip(yield* connected(client.dial(server.socket.address)))
        const asked = ({ handshakes }: Bound) =>
          handshakes.map(({ peer }) => [peer.peerId, NetAddress.formatInet(peer.address), peer.direction])
        const at = ({ identity, socket }: Bound) => [identity.peerId, NetAddress.formatInet(socket.address)]
        assert.deepStrictEqual(asked(client), [[...at(server), "Outbound"]])
        assert.deepStrictEqual(asked(server), [[...at(client), "Inbound"]])
      })
    ),
    rule(
      "two sockets may have one identity: each is dialled and dials, and the peer sees one key",
      Effect.gen(function* () {
        const identity = TestIdentity.make("twins")
        const twins = [yield* bind({ identity }), yield* bind({ identity })]
        const other = yield* bind()
        for (const [i, twin] of twins.entries()) {
          const near = yield* connected(other.dial(twin.socket.address, identity.peerId))
          near.send(text(`to ${i}`))
          const back = yield* connected(twin.dial(other.socket.address, other.identity.peerId))
          back.send(text(`from ${i}`))
        }
        yield* until(
          "all messages arrive",
          () => heard(other).length === 2 && twins.every((twin) => heard(twin).length > 0)
        )
        assert.deepStrictEqual(twins.map(heard), [["to 0"], ["to 1"]])
        assert.deepStrictEqual(heard(other), ["from 0", "from 1"])
        const seen = [...other.accepted, ...other.dialled].map(({ connection }) => connection.peerId)
        assert.deepStrictEqual(
          seen,
          Array.from({ length: 4 }, () => identity.peerId)
        )
      })
    ),
    rule(
      "a socket that is bound again with its identity is the same peer, and with another identity another one",
      Effect.gen(function* () {
        const identity = TestIdentity.make("restarting")
        const client = yield* bind()
        const scope = yield* Scope.make()
        const { socket } = yield* Scope.provide(bind({ identity }), scope)
        const local = NetAddress.formatInet(socket.address)
        yield* roundTrip(yield* connected(client.dial(socket.address, identity.peerId)))
        yield* Scope.close(scope, Exit.void)
        const again = yield* Scope.make()
        yield* Scope.provide(bind({ identity, local }), again)
        const near = yield* connected(client.dial(socket.address, identity.peerId))
        yield* roundTrip(near)
        assert.strictEqual(near.connection.peerId, identity.peerId)
        yield* Scope.close(again, Exit.void)
        const { identity: other } = yield* bind({ local })
        const error = yield* failed(client.dial(socket.address, identity.peerId))
        assert.deepInclude(error, { _tag: "PeerMismatch", expected: identity.peerId, actual: other.peerId })
      })
    )
  ]
}
