/**
 * Tables of ways to provoke each variant of an error union; the compiler finds a table incomplete when a variant has no
 * test.
 */
import { assert } from "@effect/vitest"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as NetAddress from "effect/net/NetAddress"
import { ApplicationClosed, Close } from "@qp2p/core/Close"
import { ConnectionClosed, ConnectionError, NoneReachable } from "@qp2p/core/ConnectionError"
import { EndpointError } from "@qp2p/core/EndpointError"
import { RpcError, RpcTimedOut } from "@qp2p/core/RpcError"
import { ConnectionLost, NotConnected, SendError, SerializationError, StreamLost } from "@qp2p/core/SendError"
import { StreamClosed, StreamError, StreamReset, StreamStopped } from "@qp2p/core/StreamError"
import type { BackingConnection, BackingSendStream } from "@qp2p/core/Transport"
import * as WireMessage from "@qp2p/core/WireMessage"
import { address, bytes } from "../../../core/test/support/values.ts"
import type { layer } from "./quicEndpoints.ts"
import { raw } from "../../../core/test/support/bareSockets.ts"

export type Services = Layer.Success<typeof layer> | Scope.Scope

/** Something to be done before a test can begin. That it fails fails the test. */
export type Setup<A> = Effect.Effect<A, unknown, Services>

/** For each variant, at least one way to provoke it, with a name. */
export type Table<Rows extends { readonly [tag: string]: unknown }> = {
  readonly [T in keyof Rows]: Ways<Rows[T]>
}

export type Ways<Row> = NonEmptyReadonlyArray<readonly [how: string, setup: Setup<Row>]>

export type Variant<E, T> = Extract<E, { readonly _tag: T }>

/** The rows of a table, whatever their variant. */
export const rowsOf = <Row>(table: {
  readonly [tag: string]: ReadonlyArray<readonly [how: string, setup: Setup<Row>]>
}): ReadonlyArray<readonly [name: string, setup: Setup<Row>]> =>
  Object.entries(table).flatMap(([tag, rows]) => rows.map(([how, setup]) => [`${tag}: ${how}`, setup] as const))

const Failure = Schema.Union([EndpointError, ConnectionError, NoneReachable, SendError, NotConnected, RpcError])
export type Failure = typeof Failure.Type

const Fact = Schema.Union([Failure, StreamError, Close])

/** Everything that an error carries, nested errors included; of a cause, that there is one. */
const factsOf = (error: typeof Fact.Type): object => {
  const facts = Schema.encodeUnknownSync(Fact)(error)
  return "cause" in error ? { ...facts, cause: error.cause !== undefined } : facts
}

export const assertSame = (actual: typeof Fact.Type, expected: typeof Fact.Type, what: string): void =>
  assert.deepStrictEqual(factsOf(actual), factsOf(expected), what)

/** Fails unless `operation` fails with `expected`, which is to say with all that it carries. */
export const assertFails = <A, R>(
  what: string,
  operation: Effect.Effect<A, Failure, R>,
  expected: Failure
): Effect.Effect<void, never, R> =>
  operation.pipe(
    Effect.match({
      onFailure: (error) => assertSame(error, expected, what),
      onSuccess: () => assert.fail(`${what} succeeded`)
    }),
    Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () => Effect.sync(() => assert.fail(`${what} still waits`))
    })
  )

/** What is said of a text that is no address. */
export const unreadable = (text: string): string =>
  `expected host:port such as 127.0.0.1:4433 or [::1]:4433; ${
    /^[\d.]+$/u.test(text) ? "the port is missing" : `${text} is no IP address`
  }`

/** What is said of a text that names no peer. */
export const unreadablePeer = (why: string): string =>
  `expected host:port such as 127.0.0.1:4433 or [::1]:4433, ID@host:port or ID; ${why}`

export const lost = (error: ConnectionError) => new ConnectionLost({ reason: error })

export const wasReset = (code: number) => new StreamLost({ reason: new StreamReset({ code }) })

export const stopped = (code: number) => new StreamLost({ reason: new StreamStopped({ code }) })

export const gone = new StreamLost({ reason: new StreamClosed() })

/** `not the protocol` as the start of a frame. */
export const garbage = {
  bytes: bytes("not the protocol"),
  error: new SerializationError({ detail: `the version must be 1, got ${(0x6e << 8) | 0x6f}` })
}

/** What a peer does instead of answering a question, and what the asker is told of it. */
export interface Misbehaviour {
  readonly act: (reply: BackingSendStream, connection: BackingConnection) => void
  readonly error: (peer: NetAddress.InetAddress) => RpcError
}

export const misbehaviours: {
  readonly [T in RpcError["_tag"]]: NonEmptyReadonlyArray<
    readonly [how: string, Misbehaviour & { readonly error: (peer: NetAddress.InetAddress) => Variant<RpcError, T> }]
  >
} = {
  RpcTimedOut: [["says nothing", { act: () => {}, error: (peer) => new RpcTimedOut({ peer }) }]],
  SerializationError: [
    ["says garbage", { act: (reply) => reply.write(garbage.bytes, true, () => {}), error: () => garbage.error }],
    [
      "says half a word",
      {
        act: (reply) => reply.write(WireMessage.encodeUser(bytes("word")).subarray(0, 11), true, () => {}),
        error: () => new SerializationError({ detail: "the stream ended after 2 of the 4 bytes of a message" })
      }
    ]
  ],
  ConnectionLost: [
    [
      "closes the connection",
      {
        act: (_reply, connection) => connection.close(5, "not now"),
        error: (peer) =>
          lost(new ConnectionClosed({ peer, close: new ApplicationClosed({ code: 5, detail: "not now" }) }))
      }
    ]
  ],
  StreamLost: [
    ["resets the stream", { act: (reply) => reply.reset(7), error: () => wasReset(7) }],
    ["ends the stream", { act: (reply) => reply.write(new Uint8Array(0), true, () => {}), error: () => gone }]
  ]
}

/** A peer that tells the first `honest` askers an address, and then misbehaves. */
export const misbehaving = Effect.fnUntraced(function* (act: Misbehaviour["act"], honest = 0) {
  let questions = 0
  const peer = yield* raw("127.0.0.1:0", (reply) => {
    const isHonest = questions++ < honest
    let asked = false
    return {
      onData: () => {
        if (reply === undefined || asked) return true
        asked = true
        const seen = address("127.0.0.1:9")
        if (isHonest) reply.write(WireMessage.encode({ _tag: "EndpointEchoResp", address: seen }), true, () => {})
        else act(reply, peer.accepted.at(-1)!)
        return true
      },
      onEnd: () => {}
    }
  })
  return peer.address
})
