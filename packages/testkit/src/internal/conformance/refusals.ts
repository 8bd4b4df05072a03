/** Rules about dials that fail. */
import { ConnectionTimedOut, EndpointStopped, TooManyConnections } from "@qp2p/core/ConnectionError"
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import { address, bind } from "./recording/socket.ts"
import { type Group, rule } from "./rule.ts"
import { connect, connected, dialledAtLast, failed, roundTrip, until } from "./steps.ts"

const isV4 = ({ address }: NetAddress.InetAddress) => NetAddress.formatIp(address).includes(".")

/** Addresses that cannot be dialled from a socket at `local`. */
const undiallable = {
  "port 0": (local: NetAddress.InetAddress) => NetAddress.inetAddressUnsafe(local.address, 0),
  "an address of another family": (local: NetAddress.InetAddress) =>
    address(isV4(local) ? "[::1]:4433" : "127.0.0.1:4433"),
  "the unspecified address": (local: NetAddress.InetAddress) => address(isV4(local) ? "0.0.0.0:4433" : "[::]:4433"),
  "a multicast address": (local: NetAddress.InetAddress) => address(isV4(local) ? "224.0.0.1:4433" : "[ff02::1]:4433"),
  // IPv6 has no broadcast addresses.
  "the broadcast address": (local: NetAddress.InetAddress) =>
    address(isV4(local) ? "255.255.255.255:4433" : "[ff02::1]:4433")
}

/** The rules about the errors of dials that cannot succeed. */
export const refusals: Group = {
  title: "dials that fail",
  rules: [
    ...Object.entries(undiallable).map(([what, peerFor]) =>
      rule(
        `a dial to ${what} fails with an InvalidAddress that names it`,
        Effect.gen(function* () {
          const { dial, socket } = yield* bind()
          const peer = peerFor(socket.address)
          const error = yield* failed(dial(peer))
          assert.strictEqual(error._tag, "InvalidAddress")
          if (error._tag === "InvalidAddress") assert.strictEqual(error.input, NetAddress.formatInet(peer))
        })
      )
    ),
    rule(
      "a dial to a socket that does not accept fails with ConnectionTimedOut, and that socket reports no event",
      Effect.gen(function* () {
        const deaf = yield* bind({ accept: false })
        const client = yield* bind({ handshakeTimeout: Duration.millis(500) })
        const error = yield* failed(client.dial(deaf.socket.address))
        assert.deepStrictEqual(error, new ConnectionTimedOut({ peer: deaf.socket.address }))
        assert.deepStrictEqual(deaf.log.events, [])
      })
    ),
    rule(
      "a dial goes on until the handshake timeout is over",
      Effect.gen(function* () {
        const deaf = yield* bind({ accept: false })
        const long = yield* bind({ handshakeTimeout: Duration.seconds(60) })
        const short = yield* bind({ handshakeTimeout: Duration.millis(500) })
        const waiting = long.dial(deaf.socket.address)
        for (let i = 0; i < 2; i++) yield* failed(short.dial(deaf.socket.address))
        assert.deepStrictEqual(long.log.events, [])
        waiting.cancel()
      })
    ),
    rule(
      "a socket that does not accept can dial",
      Effect.gen(function* () {
        const { near } = yield* connect({ client: { accept: false } })
        yield* roundTrip(near)
      })
    ),
    rule(
      "a dial beyond maxConnections fails with TooManyConnections, accepted connections counted in",
      Effect.gen(function* () {
        const { client, far, near, server } = yield* connect({ client: { maxConnections: 2 } })
        yield* connected(server.dial(far.connection.remoteAddress))
        yield* until("it is accepted", () => client.accepted.length > 0)
        const error = yield* failed(client.dial(server.socket.address))
        assert.deepStrictEqual(error, new TooManyConnections({ limit: 2 }))
        assert.deepStrictEqual(near.closes, [])
      })
    ),
    ...(["maxConnections", "maxConnectionsPerIp"] as const).map((limit) =>
      rule(
        `a socket with as many connections as ${limit} refuses with code 2, and accepts again when one has ended`,
        Effect.gen(function* () {
          const server = yield* bind({ [limit]: 1, idleTimeout: Duration.seconds(3) })
          const client = yield* bind({ keepAliveInterval: Duration.millis(250) })
          const near = yield* connected(client.dial(server.socket.address))
          yield* until("it is accepted", () => server.accepted.length > 0)
          const error = yield* failed(client.dial(server.socket.address))
          assert.strictEqual(error._tag, "TransportError")
          assert.deepInclude(error, { code: 2, peer: server.socket.address })
          assert.strictEqual(server.accepted.length, 1)
          near.connection.close(0, "")
          yield* roundTrip(yield* dialledAtLast(client, server.socket.address))
        })
      )
    ),
    rule(
      "closing the scope fails the dials under way and all later ones with EndpointStopped",
      Effect.gen(function* () {
        const deaf = yield* bind({ accept: false })
        const scope = yield* Scope.make()
        const client = yield* Scope.provide(bind(), scope)
        const dial = client.dial(deaf.socket.address)
        // The dial has begun.
        yield* roundTrip((yield* connect()).near)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* failed(dial), new EndpointStopped())
        assert.deepStrictEqual(yield* failed(client.dial(deaf.socket.address)), new EndpointStopped())
      })
    )
  ]
}
