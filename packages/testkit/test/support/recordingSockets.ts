/**
 * Sockets that record their events, for tests on Effect's clock.
 */
import type { BackingConnection, BindOptions, StreamFailure } from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Log } from "../../src/internal/conformance/recording/log.ts"
import * as RecordedPeer from "../../src/internal/conformance/recording/peer.ts"
import * as RecordedStream from "../../src/internal/conformance/recording/received.ts"
import { type Bound, bindWith, type Handshake } from "../../src/internal/conformance/recording/socket.ts"
import { MemoryNetwork } from "../../src/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/MemoryTransport.ts"
import * as TestIdentity from "../../src/TestIdentity.ts"

export { text } from "../../src/internal/conformance/content.ts"
export { address } from "../../src/internal/conformance/recording/socket.ts"

/** How far a sender may be ahead of its reader. */
export const window = 256 * 1024
export const string = (bytes: ReadonlyArray<number>) => new TextDecoder().decode(Uint8Array.from(bytes))
export const ramp = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0xff)
export const provide = Effect.provide(MemoryTransport.layerNetwork())
export const setLatency = (latency: Duration.Input) =>
  Effect.flatMap(MemoryNetwork, (network) => network.setLatency(latency))

/** Says yes or no: what tells arrays of this size apart takes minutes to print. */
export const sameBytes = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  Buffer.from(actual as Array<number>).equals(Buffer.from(expected as Array<number>))

export class Received extends RecordedStream.Received {
  readonly bytes: Array<number> = []
  /** The chunks as they were lent. */
  readonly kept: Array<Uint8Array> = []
  /** After how many bytes to pause. */
  pauseAt = Number.POSITIVE_INFINITY

  constructor(record?: Log) {
    super(record)
    this.afterChunk = (chunk) => {
      for (const byte of chunk) this.bytes.push(byte)
      this.kept.push(chunk)
      this.pausing = this.bytes.length >= this.pauseAt
    }
  }
}

export class Peer extends RecordedPeer.Peer<Received> {
  readonly log: Array<string> = []
  pauseAt = Number.POSITIVE_INFINITY

  constructor(connection: BackingConnection, record: Log) {
    super(connection, record, (record) => new Received(record))
    this.afterStream = (stream) => {
      stream.pauseAt = this.pauseAt
    }
    this.heedClose = () => this.log.push("closed")
  }
}

const bindPeers = bindWith<Peer>((connection, record) => new Peer(connection, record))

export type Socket = Bound<Peer>

/** A socket; without keep-alive, so that nothing happens by itself. It admits every peer unless `admission` is given. */
export const bind = (local: string, overrides: Partial<BindOptions> = {}, admission?: (handshake: Handshake) => void) =>
  bindPeers({
    local,
    ...(admission && { admission }),
    identity: TestIdentity.make(local),
    keepAliveInterval: Duration.infinity,
    handshakeTimeout: Duration.seconds(10),
    maxConnections: 100,
    maxConnectionsPerIp: 100,
    ...overrides
  })

/** Lets the scheduler turn until `condition` holds; the test's timeout is the limit. */
export const until = (condition: () => boolean) =>
  Effect.gen(function* () {
    while (!condition()) yield* Effect.yieldNow
  })

/** Turns enough for everything that takes no time to have happened. */
export const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

/** A connection between two fresh sockets, and both of its ends. */
export const connect = Effect.fnUntraced(function* (
  options: { readonly client?: Partial<BindOptions>; readonly server?: Partial<BindOptions> } = {}
) {
  const client = yield* bind("10.0.0.1:1", options.client)
  const server = yield* bind("10.0.0.2:2", options.server)
  const { connected } = client.dial(server.socket.address)
  yield* until(() => connected.length > 0 && connected[0]!.acceptances > 0)
  return { client, server, near: connected[0]!, far: server.accepted[0]! }
})

/** Calls of `done`, in order. */
export const outcomes = () => {
  const results: Array<StreamFailure | "done"> = []
  return { results, done: (failure?: StreamFailure) => void results.push(failure ?? "done") }
}
