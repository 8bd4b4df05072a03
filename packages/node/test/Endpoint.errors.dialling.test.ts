/**
 * Every way in which a peer cannot be reached, over QUIC: what each function that dials says of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import { randomBytes } from "node:crypto"
import { ApplicationClosed } from "@qp2p/core/Close"
import {
  ConnectionClosed,
  type ConnectionError,
  ConnectionTimedOut,
  DatagramRefused,
  EndpointStopped,
  InvalidAddress,
  NoneReachable,
  PeerMismatch,
  PeerNotFound,
  PeerRefused,
  TooManyConnections,
  TransportError,
  VersionMismatch
} from "@qp2p/core/ConnectionError"
import type * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as Identity from "@qp2p/core/Identity"
import { PeerPolicy } from "@qp2p/core/PeerPolicy"
import * as packetHeader from "../src/internal/packets/packetHeader.ts"
import { refusal } from "../src/internal/packets/initialClose.ts"
import { NotConnected } from "@qp2p/core/SendError"
import { bytes } from "../../core/test/support/values.ts"
import {
  assertFails,
  type Failure,
  lost,
  rowsOf,
  type Services,
  type Table,
  unreadablePeer,
  type Variant
} from "./support/errorTables.ts"
import { endpoint, onLoopback, pair } from "./support/quicEndpoints.ts"
import { address, at, until } from "./support/quicSockets.ts"
import { rawServer } from "./support/nativePeers.ts"
import { freePort, udp } from "./support/udpPeers.ts"

type Service = Endpoint.Endpoint["Service"]

/** An endpoint and a peer that it cannot connect to. Made anew for each try: some peers are there for one dial only. */
interface Dial<E> {
  readonly one: Service
  readonly peer: Endpoint.Address
  readonly error: E
}

const dialling = (config: EndpointConfig.Input = {}, local = "127.0.0.1:0") =>
  endpoint({ retryDuration: 0, ...config }, [], local)

/** A server that answers first packets of clients with `answer`, and says no more. */
const answeringWith = Effect.fnUntraced(function* (answer: (header: packetHeader.LongHeader) => Uint8Array) {
  const socket = yield* udp()
  socket.onHeard = ({ bytes, port }) => {
    const header = packetHeader.parseLongHeader(bytes)
    if (header?.initial === true) socket.send(answer(header), port)
  }
  return at(socket.port)
})

/** A server that closes each connection in its first packet. */
const refusing = (code: number, reason: string) =>
  answeringWith((header) => refusal(header, randomBytes(20), code, reason))

const dialOf = <E>(
  peer: Effect.Effect<NetAddress.InetAddress, unknown, Services>,
  error: (peer: NetAddress.InetAddress) => E
) =>
  Effect.gen(function* () {
    const dialled = yield* peer
    return { one: yield* dialling(), peer: dialled, error: error(dialled) }
  })

const invalid = (input: string, detail: string, local?: string) =>
  Effect.map(dialling({}, local), (one) => ({ one, peer: input, error: new InvalidAddress({ input, detail }) }))

const onlyLoopback = (to: string, local: string) =>
  Effect.map(dialling(), (one) => {
    const peer = address(to)
    const detail = `this endpoint is bound to ${local}, which reaches this machine only`
    return { one, peer, error: new DatagramRefused({ peer, systemCode: noWayFromLoopback, detail }) }
  })

/** What the kernels of Linux and of others call it. */
const noWayFromLoopback = process.platform === "linux" ? "EINVAL" : "EADDRNOTAVAIL"

const noInterface = (to: string, local: string) =>
  Effect.map(dialling({}, local), (one) => {
    const peer = address(to)
    return {
      one,
      peer,
      error: new DatagramRefused({ peer, systemCode: "ENODEV", detail: "no network interface has this zone" })
    }
  })

const full = (config: EndpointConfig.Input) =>
  Effect.gen(function* () {
    const peer = yield* endpoint(config)
    // A connection that has not been used would give up its place.
    yield* (yield* dialling()).sendMessage(bytes("here to stay"), peer.localAddress)
    return peer.localAddress
  })

const tooMany = (peer: NetAddress.InetAddress) => new TransportError({ peer, code: 2, detail: "too many connections" })

/**
 * A stateless reset belongs to an established connection: no packet resets a dial. Wrong arguments are those of
 * `Endpoint.untypedCallers.test.ts`.
 */
const dials: Table<{
  readonly [T in Exclude<ConnectionError["_tag"], "ConnectionReset" | "InvalidArgument">]: Dial<
    Variant<ConnectionError, T>
  >
}> = {
  EndpointStopped: [
    [
      "it was closed",
      Effect.gen(function* () {
        const one = yield* dialling()
        yield* one.close
        return { one, peer: (yield* endpoint()).localAddress, error: new EndpointStopped() }
      })
    ],
    [
      "it is closed while the dial waits",
      Effect.gen(function* () {
        const nobody = yield* udp()
        const one = yield* dialling()
        const waiting = until("the dial", () => nobody.heard.length > 0)
        yield* Effect.forkScoped(Effect.andThen(waiting, one.close))
        return { one, peer: at(nobody.port), error: new EndpointStopped() }
      })
    ]
  ],
  TooManyConnections: [
    [
      "it has as many as it may",
      Effect.gen(function* () {
        const one = yield* dialling({ maxConnections: 1 })
        yield* one.connectTo((yield* endpoint()).localAddress)
        return { one, peer: (yield* endpoint()).localAddress, error: new TooManyConnections({ limit: 1 }) }
      })
    ]
  ],
  InvalidAddress: [
    ["no address", invalid("nowhere", unreadablePeer("the port is missing"))],
    ["no port", invalid("127.0.0.1", unreadablePeer("the port is missing"))],
    ["port 0", invalid("127.0.0.1:0", unreadablePeer("port 0 cannot be dialled"))],
    ["IPv6 from IPv4", invalid("[::1]:4433", "this endpoint is bound to an IPv4 address")],
    ["IPv4 from IPv6", invalid("127.0.0.1:4433", "this endpoint is bound to an IPv6 address", "[::1]:0")],
    ["unspecified IPv4", invalid("0.0.0.0:4433", "the unspecified address belongs to no host")],
    ["unspecified IPv6", invalid("[::]:4433", "the unspecified address belongs to no host", "[::1]:0")]
  ],
  PeerMismatch: [
    [
      "another peer is there",
      Effect.gen(function* () {
        const one = yield* dialling()
        const { localAddress, peerId: actual } = yield* endpoint()
        const { peerId: expected } = yield* Identity.generate
        const error = new PeerMismatch({ expected, actual, address: localAddress })
        return { one, peer: `${expected}@${NetAddress.formatInet(localAddress)}`, error }
      })
    ]
  ],
  PeerRefused: [
    [
      "this endpoint's own policy refuses",
      Effect.gen(function* () {
        const one = yield* Effect.provideService(dialling(), PeerPolicy, () => Effect.succeed(false))
        const { localAddress: peer, peerId } = yield* endpoint()
        return { one, peer, error: new PeerRefused({ peerId, address: peer, by: "Local" }) }
      })
    ]
  ],
  PeerNotFound: [
    [
      "nothing but its id is known",
      Effect.gen(function* () {
        const { peerId } = yield* Identity.generate
        return { one: yield* dialling(), peer: peerId, error: new PeerNotFound({ peerId }) }
      })
    ]
  ],
  VersionMismatch: [
    [
      "version negotiation without version 1",
      dialOf(
        answeringWith((header) => {
          const packet = packetHeader.versionNegotiation(header, 0)
          packet[packet.length - 1] = 2
          return packet
        }),
        (peer) => new VersionMismatch({ peer })
      )
    ],
    [
      "another protocol over QUIC",
      dialOf(
        Effect.map(
          rawServer((config) => config.setApplicationProtos(["other/1"])),
          ({ port }) => at(port)
        ),
        (peer) => new VersionMismatch({ peer })
      )
    ]
  ],
  TransportError: [
    ["the peer is at its maxConnections", dialOf(full({ maxConnections: 1 }), tooMany)],
    ["the peer is at its maxConnectionsPerIp", dialOf(full({ maxConnectionsPerIp: 1 }), tooMany)],
    [
      "the peer's QUIC refuses",
      dialOf(refusing(0x0a, "no, thanks"), (peer) => new TransportError({ peer, code: 0x0a, detail: "no, thanks" }))
    ]
  ],
  DatagramRefused: [
    ["another machine from a loopback address", onlyLoopback("203.0.113.1:9", "127.0.0.1")],
    ["a zone that no interface has", noInterface("[fe80::1%4294967295]:9", "[::1]:0")]
  ],
  ConnectionTimedOut: [
    [
      "nobody answers",
      Effect.gen(function* () {
        const peer = at((yield* udp()).port)
        const one = yield* dialling({ handshakeTimeout: "300 millis" })
        return { one, peer, error: new ConnectionTimedOut({ peer }) }
      })
    ],
    [
      "nobody listens",
      Effect.gen(function* () {
        const peer = at(yield* freePort)
        const one = yield* dialling({ handshakeTimeout: "300 millis" })
        return { one, peer, error: new ConnectionTimedOut({ peer }) }
      })
    ]
  ],
  ConnectionClosed: [
    [
      "the peer's application gives up the handshake",
      dialOf(refusing(0x0c, ""), (peer) => {
        return new ConnectionClosed({ peer, close: new ApplicationClosed({ code: 0, detail: "" }) })
      })
    ]
  ]
}

type Dialler = (dial: Dial<ConnectionError>) => readonly [Effect.Effect<unknown, Failure>, Failure]

const diallers: { readonly [name: string]: Dialler } = {
  connectTo: ({ error, one, peer }) => [one.connectTo(peer), error],
  openBidirectionalStream: ({ error, one, peer }) => [one.openBidirectionalStream(peer), error],
  sendMessage: ({ error, one, peer }) => [one.sendMessage(bytes("x"), peer), lost(error)],
  isReachable: ({ error, one, peer }) => [one.isReachable(peer), lost(error)],
  connectToAny: ({ error, one, peer }) => [one.connectToAny([peer]), new NoneReachable({ attempts: [{ peer, error }] })]
}

describe("a dial fails with", () => {
  for (const [name, setup] of rowsOf<Dial<ConnectionError>>(dials)) {
    it.live(name, () =>
      Effect.forEach(
        Object.entries(diallers),
        ([dialler, of]) =>
          Effect.scoped(
            Effect.gen(function* () {
              const [operation, error] = of(yield* setup)
              yield* assertFails(dialler, operation, error)
            })
          ),
        { concurrency: "unbounded", discard: true }
      ).pipe(onLoopback)
    )
  }

  it.live("PeerRefused: the peer's policy refuses, as each learns that waits for its acceptance", () =>
    Effect.gen(function* () {
      const one = yield* dialling()
      const two = yield* Effect.provideService(endpoint(), PeerPolicy, () => Effect.succeed(false))
      const peer = two.localAddress
      const error = new PeerRefused({ peerId: two.peerId, address: peer, by: "Remote" })
      yield* assertFails("connectTo", one.connectTo(peer), error)
      yield* assertFails("sendMessage", one.sendMessage(bytes("x"), peer), lost(error))
      yield* assertFails("connectToAny", one.connectToAny([peer]), new NoneReachable({ attempts: [{ peer, error }] }))
      assert.deepStrictEqual(yield* two.connections, [])
    }).pipe(onLoopback)
  )

  it.live("TooManyConnections: the application has too many disconnections to take", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({ messageBuffer: 1, retryDuration: 0 })
      yield* Effect.forEach([1, 2], () => Effect.flatMap(one.connectTo(two.localAddress), ({ close }) => close()))
      yield* one.nextDisconnection
      yield* Effect.flatMap(one.connectTo(two.localAddress), ({ close }) => close())
      const error = new TooManyConnections({ limit: 1 })
      yield* assertFails("connectTo", one.connectTo(two.localAddress), error)
      yield* assertFails("sendMessage", one.sendMessage(bytes("x"), two.localAddress), lost(error))
    }).pipe(onLoopback)
  )

  it.live("NoneReachable: each peer's own error, in the order given", () =>
    Effect.gen(function* () {
      const one = yield* dialling()
      const refused = yield* refusing(0x0a, "no")
      const closed = yield* refusing(0x0c, "")
      const error = new NoneReachable({
        attempts: [
          {
            peer: "nowhere",
            error: new InvalidAddress({ input: "nowhere", detail: unreadablePeer("the port is missing") })
          },
          { peer: refused, error: new TransportError({ peer: refused, code: 0x0a, detail: "no" }) },
          {
            peer: "127.0.0.1:0",
            error: new InvalidAddress({ input: "127.0.0.1:0", detail: unreadablePeer("port 0 cannot be dialled") })
          },
          {
            peer: closed,
            error: new ConnectionClosed({ peer: closed, close: new ApplicationClosed({ code: 0, detail: "" }) })
          }
        ]
      })
      yield* assertFails("connectToAny", one.connectToAny(["nowhere", refused, "127.0.0.1:0", closed]), error)
      yield* assertFails("connectToAny of nobody", one.connectToAny([]), new NoneReachable({ attempts: [] }))
    }).pipe(onLoopback)
  )

  it.live("NotConnected, or why not, where none is to be made", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const peer = two.localAddress
      const send = one.trySendMessage(bytes("x"), peer)
      yield* assertFails("trySendMessage at first", send, new NotConnected({ peer }))
      yield* one.connectTo(peer)
      yield* send
      yield* one.disconnectFrom(peer)
      yield* assertFails("trySendMessage after the end", send, new NotConnected({ peer }))
      const error = lost(new InvalidAddress({ input: "nowhere", detail: unreadablePeer("the port is missing") }))
      yield* assertFails("trySendMessage to nowhere", one.trySendMessage(bytes("x"), "nowhere"), error)
    }).pipe(onLoopback)
  )

  it.live("EndpointStopped for effects that wait for peers, messages and ends, and for later ones", () =>
    Effect.gen(function* () {
      const one = yield* endpoint()
      const takers = {
        nextConnection: one.nextConnection,
        nextMessage: one.nextMessage,
        nextEnd: one.nextDisconnection
      }
      const waiting = yield* Effect.forEach(
        Object.entries<Effect.Effect<unknown, EndpointStopped>>(takers),
        ([name, taker]) => Effect.forkChild(assertFails(name, taker, new EndpointStopped()), { startImmediately: true })
      )
      yield* one.close
      yield* Effect.forEach(waiting, (fiber) => Fiber.join(fiber))
      for (const [name, taker] of Object.entries<Effect.Effect<unknown, EndpointStopped>>(takers)) {
        yield* assertFails(`${name} later`, taker, new EndpointStopped())
      }
    }).pipe(onLoopback)
  )
})

describe("a dial that the peer refuses by a TLS alert is made once", () => {
  /** Endpoints that would try again for minutes. */
  const persistent = endpoint({ retryDuration: "5 minutes" })

  it.live("when it refuses at once", () =>
    Effect.gen(function* () {
      const dials = new Set<string>()
      // CRYPTO_ERROR + the TLS alert handshake_failure.
      const peer = yield* answeringWith((header) => {
        dials.add(Buffer.from(header.scid).toString("hex"))
        return refusal(header, randomBytes(20), 0x128, "")
      })
      const one = yield* persistent
      const error = new TransportError({ peer, code: 0x128, detail: "" })
      yield* assertFails("connectTo", one.connectTo(peer), error)
      yield* assertFails("sendMessage", one.sendMessage(bytes("x"), peer), lost(error))
      yield* assertFails("openBidirectionalStream", one.openBidirectionalStream(peer), error)
      assert.strictEqual(dials.size, 3)
    }).pipe(onLoopback)
  )

  it.live("when it refuses the certificate of a dialler for whom the handshake was complete", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((config) => config.verifyPeer(true))
      const peer = at(server.port)
      const one = yield* persistent
      const error = yield* Effect.flip(one.sendMessage(bytes("x"), peer))
      // CRYPTO_ERROR + the TLS alert unknown_ca. A second dial would have waited for its timeout.
      yield* assertFails("sendMessage", Effect.fail(error), lost(new TransportError({ peer, code: 0x130, detail: "" })))
    }).pipe(onLoopback)
  )
})
