/**
 * Every way in which a connection ends, over QUIC: what each function that used it says, and what both sides are told.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import {
  ApplicationClosed,
  IdleTimedOut,
  LocallyClosed,
  StatelessReset,
  TransportClosed,
  type Close
} from "@qp2p/core/Close"
import type { Connection } from "@qp2p/core/Connection"
import {
  ConnectionClosed,
  type ConnectionError,
  ConnectionReset,
  ConnectionTimedOut,
  EndpointStopped,
  TransportError
} from "@qp2p/core/ConnectionError"
import type * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as QuicheTransport from "../src/QuicheTransport.ts"
import { NotConnected } from "@qp2p/core/SendError"
import { Transport } from "@qp2p/core/Transport"
import { bytes } from "../../core/test/support/values.ts"
import { assertFails, assertSame, type Failure, lost, rowsOf, type Table, type Variant } from "./support/errorTables.ts"
import { endpoint, onLoopback, pair } from "./support/quicEndpoints.ts"
import { raw } from "../../core/test/support/bareSockets.ts"
import { blocked, Network } from "./support/impairedNetwork.ts"
import { at, until } from "./support/quicSockets.ts"
import { rawServer } from "./support/nativePeers.ts"

type Service = Endpoint.Endpoint["Service"]

/** More than a peer takes that does not read. */
const large = new Uint8Array(3 << 20)

const begun = "the connection is there"

/** An endpoint on a network of its own. */
const onNetwork = (network: Network, config: EndpointConfig.Input) =>
  Effect.provideService(endpoint(config), Transport, QuicheTransport.make({ openSocket: network.openSocket }))

const cut = (network: Network) =>
  Effect.sync(() => {
    network.outgoing = blocked
    network.incoming = blocked
  })

/** Keep-alive, so that the connection does not end before its time on a busy machine. */
const shortLived = { idleTimeout: "1 second", keepAliveInterval: "100 millis" } as const

/** Takes connections and streams, and reads nothing. */
const deaf = raw("127.0.0.1:0", () => ({ onData: () => false, onEnd: () => {} }))

// --- what becomes of those who use it ------------------------------------------------------------------------------

/** A connection that is going to end. */
interface Ending<E> {
  readonly one: Service
  readonly peer: NetAddress.InetAddress
  readonly end: (connection: Connection) => Effect.Effect<unknown, unknown>
  readonly close: Close
  readonly error: E
  /** Nothing large is to be under way. */
  readonly quiet?: boolean
}

/** The peer reads nothing, so what is under way stays so; `end` is for this side to bring about. */
const endingHere = <E>(
  end: (one: Service, connection: Connection) => Effect.Effect<unknown, unknown>,
  error: (peer: NetAddress.InetAddress) => E
) =>
  Effect.gen(function* () {
    const one = yield* endpoint()
    const { address: peer } = yield* deaf
    return {
      one,
      peer,
      end: (connection: Connection) => end(one, connection),
      close: new LocallyClosed(),
      error: error(peer)
    }
  })

const locallyClosed = (peer: NetAddress.InetAddress) => new ConnectionClosed({ peer, close: new LocallyClosed() })

/** A connection has these behind it; the others happen to dials only. */
type AfterDial = Exclude<
  ConnectionError["_tag"],
  | "TooManyConnections"
  | "InvalidAddress"
  | "InvalidArgument"
  | "VersionMismatch"
  | "DatagramRefused"
  | "PeerMismatch"
  | "PeerRefused"
  | "PeerNotFound"
>

const endings: Table<{ readonly [T in AfterDial]: Ending<Variant<ConnectionError, T>> }> = {
  EndpointStopped: [
    [
      "the endpoint is closed",
      endingHere(
        (one) => one.close,
        () => new EndpointStopped()
      )
    ]
  ],
  ConnectionClosed: [
    ["it is closed", endingHere((_one, { close }) => close(), locallyClosed)],
    ["disconnectFrom", endingHere((one, { remoteAddress }) => one.disconnectFrom(remoteAddress), locallyClosed)],
    [
      "the peer's application closes it",
      Effect.gen(function* () {
        const one = yield* endpoint()
        const { accepted, address: peer } = yield* deaf
        const close = new ApplicationClosed({ code: 42, detail: "enough" })
        const end = () =>
          Effect.andThen(
            until(begun, () => accepted.length === 1),
            Effect.sync(() => accepted[0]!.close(42, "enough"))
          )
        return { one, peer, end, close, error: new ConnectionClosed({ peer, close }) }
      })
    ]
  ],
  TransportError: [
    [
      "the peer's QUIC closes it",
      Effect.gen(function* () {
        const one = yield* endpoint()
        const server = yield* rawServer()
        const peer = at(server.port)
        const facts = { code: 0x0a, detail: "against the rules" }
        const end = () =>
          Effect.andThen(
            until(begun, () => server.peers[0]?.native.isEstablished() === true),
            Effect.sync(() => {
              server.peers[0]!.native.close(false, facts.code, bytes(facts.detail))
              server.peers[0]!.flush()
            })
          )
        return { one, peer, end, close: new TransportClosed(facts), error: new TransportError({ peer, ...facts }) }
      })
    ],
    [
      "nothing is acknowledged for stallTimeout",
      Effect.gen(function* () {
        const network = new Network()
        const one = yield* onNetwork(network, { stallTimeout: "400 millis" })
        const { address: peer } = yield* deaf
        const facts = { code: 1, detail: "stalled" }
        const error = new TransportError({ peer, ...facts })
        const end = ({ send }: Connection) =>
          Effect.andThen(cut(network), assertFails("the send that stalls", send(bytes("x")), lost(error)))
        // Large messages that wait for their windows would keep the one that stalls from being sent.
        return { one, peer, end, close: new TransportClosed(facts), error, quiet: true }
      })
    ]
  ],
  ConnectionReset: [
    [
      "the peer has forgotten it",
      Effect.gen(function* () {
        const one = yield* endpoint()
        const token = randomBytes(16)
        const server = yield* rawServer((config) =>
          config.setStatelessResetToken(token.readBigUInt64BE() * 2n ** 64n + token.readBigUInt64BE(8))
        )
        const peer = at(server.port)
        const end = () =>
          Effect.andThen(
            until(begun, () => server.peers[0]?.native.isEstablished() === true),
            Effect.sync(() => {
              const { peerPort, socket } = server.peers[0]!
              // RFC 9000, section 10.3: looks like a packet with a short header, and names no connection.
              const header = Uint8Array.of(0x40, ...randomBytes(30))
              server.peers[0]!.deaf = true
              socket.send(Buffer.concat([header, token]), peerPort)
            })
          )
        const close = new StatelessReset()
        return { one, peer, end, close, error: new ConnectionReset({ peer }) }
      })
    ]
  ],
  ConnectionTimedOut: [
    [
      "nothing is heard for idleTimeout",
      Effect.gen(function* () {
        const network = new Network()
        const one = yield* onNetwork(network, shortLived)
        const { address: peer } = yield* deaf
        return {
          one,
          peer,
          end: () => cut(network),
          close: new IdleTimedOut(),
          error: new ConnectionTimedOut({ peer })
        }
      })
    ]
  ]
}

describe("what used a connection fails with", () => {
  for (const [name, setup] of rowsOf<Ending<ConnectionError>>(endings)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { close, end, error, one, peer, quiet = false } = yield* setup
        const connection = yield* one.connectTo(peer)
        const { receive, send } = yield* connection.openBi()
        yield* send.sendMessage(bytes("?"))
        const uni = yield* connection.openUni()
        const unused = yield* connection.openBi()
        const reading: ReadonlyArray<readonly [string, Effect.Effect<unknown, Failure>]> = [
          ["receive.next", receive.next],
          ["receive.messages", Stream.runDrain(receive.messages)],
          ["receive.next of an unused stream", unused.receive.next]
        ]
        const writing: typeof reading = [
          ["send", connection.send(large)],
          ["trySendMessage", one.trySendMessage(large, peer)],
          ["uni.sendMessage", uni.sendMessage(large)]
        ]
        const fibers = yield* Effect.forEach(quiet ? reading : [...reading, ...writing], ([what, operation]) =>
          Effect.forkChild(assertFails(what, operation, lost(error)), { startImmediately: true })
        )
        yield* end(connection)
        assertSame(yield* connection.closed, close, "closed")
        yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))

        const disconnection = yield* one.nextDisconnection
        assertSame(disconnection.reason, close, "nextDisconnection")
        assert.strictEqual(String(disconnection.peer), String(peer))
        assert.strictEqual(disconnection.connectionId, connection.id)
        yield* assertFails("openUni later", connection.openUni(), error)
        yield* assertFails("openBi later", connection.openBi(), error)
        for (const [what, operation] of [
          ...reading,
          ["send", connection.send(bytes("x"))],
          ["uni.sendMessage", uni.sendMessage(bytes("x"))],
          ["uni.finish", uni.finish],
          ["bi.sendMessage", send.sendMessage(bytes("x"))],
          ["bi.finish", send.finish],
          ["sendMessage of an unused stream", unused.send.sendMessage(bytes("x"))]
        ] as const) {
          yield* assertFails(`${what} later`, operation, lost(error))
        }
        yield* assertFails("trySendMessage later", one.trySendMessage(bytes("x"), peer), new NotConnected({ peer }))
      }).pipe(onLoopback)
    )
  }
})

// --- what both sides are told --------------------------------------------------------------------------------------

/** Two endpoints, and how the first ends its connection with the second. */
interface Parting<C> {
  readonly one: Service
  readonly two: Service
  readonly end: (near: Connection, far: Connection) => Effect.Effect<unknown, unknown>
  /** As this side and as the other side sees it. */
  readonly seen: readonly [near: C, far: Close]
}

const closedHere = [new LocallyClosed(), new ApplicationClosed({ code: 0, detail: "" })] as const
const closedThere = [closedHere[1], closedHere[0]] as const

const parting = <C>(
  seen: readonly [C, Close],
  end: (one: Service, two: Service, near: Connection, far: Connection) => Effect.Effect<unknown>
) =>
  Effect.map(pair(), ([one, two]) => ({
    one,
    two,
    seen,
    end: (near: Connection, far: Connection) => end(one, two, near, far)
  }))

/** A stateless reset is among the ends above: no endpoint sends one to another that still has the connection. */
const partings: Table<{ readonly [T in Exclude<Close["_tag"], "StatelessReset">]: Parting<Variant<Close, T>> }> = {
  LocallyClosed: [
    ["close of the connection", parting(closedHere, (_one, _two, near) => near.close())],
    ["disconnectFrom", parting(closedHere, (one, two) => one.disconnectFrom(two.localAddress))],
    ["close of the endpoint", parting(closedHere, (one) => one.close)]
  ],
  ApplicationClosed: [
    ["close of the connection", parting(closedThere, (_one, _two, _near, far) => far.close())],
    ["disconnectFrom", parting(closedThere, (one, two) => two.disconnectFrom(one.localAddress))],
    ["close of the endpoint", parting(closedThere, (_one, two) => two.close)]
  ],
  TransportClosed: [
    [
      "a stall",
      Effect.gen(function* () {
        const network = new Network()
        const one = yield* onNetwork(network, { stallTimeout: "400 millis" })
        const two = yield* endpoint()
        const stalled = new TransportClosed({ code: 1, detail: "stalled" })
        const end = (near: Connection) =>
          Effect.suspend(() => {
            // Acknowledgements are lost; what this side says of it is not.
            network.incoming = blocked
            return Effect.flip(near.send(bytes("x")))
          })
        return { one, two, end, seen: [stalled, stalled] as const }
      })
    ]
  ],
  IdleTimedOut: [
    [
      "silence",
      Effect.gen(function* () {
        const network = new Network()
        const one = yield* onNetwork(network, shortLived)
        const two = yield* endpoint()
        return { one, two, end: () => cut(network), seen: [new IdleTimedOut(), new IdleTimedOut()] as const }
      })
    ]
  ]
}

describe("both sides are told of", () => {
  for (const [name, setup] of rowsOf<Parting<Close>>(partings)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { end, one, seen, two } = yield* setup
        const near = yield* one.connectTo(two.localAddress)
        const far = yield* two.nextConnection
        yield* end(near, far)
        for (const [what, endpoint, connection, peer, close] of [
          ["this side", one, near, two, seen[0]],
          ["the other side", two, far, one, seen[1]]
        ] as const) {
          assertSame(yield* connection.closed, close, `closed on ${what}`)
          const disconnection = yield* endpoint.nextDisconnection
          assertSame(disconnection.reason, close, `nextDisconnection on ${what}`)
          assert.strictEqual(String(disconnection.peer), String(peer.localAddress))
          assert.strictEqual(disconnection.connectionId, connection.id)
        }
      }).pipe(onLoopback)
    )
  }

  it.live("ApplicationClosed: the other side's application does not keep up", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({ retryDuration: 0 }, { messageBuffer: 1 })
      const meetAndPart = Effect.gen(function* () {
        const near = yield* one.connectTo(two.localAddress)
        yield* Effect.flatMap(two.nextConnection, (far) => far.close())
        yield* near.closed
      })
      // Once asked for, disconnections are kept, and there is room for one.
      yield* meetAndPart
      yield* two.nextDisconnection
      yield* meetAndPart
      const close = new ApplicationClosed({ code: 3, detail: "the application does not keep up" })
      const error = new ConnectionClosed({ peer: two.localAddress, close })
      // The connection is closed in place of being accepted.
      yield* assertFails("connectTo", one.connectTo(two.localAddress), error)
      yield* assertFails("sendMessage", one.sendMessage(bytes("x"), two.localAddress), lost(error))
    }).pipe(onLoopback)
  )
})
