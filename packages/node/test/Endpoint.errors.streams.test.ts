/**
 * Every way in which a message or a question fails on a connection that lives on, over QUIC.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Connection } from "@qp2p/core/Connection"
import type * as Endpoint from "@qp2p/core/Endpoint"
import { type RecvError, SerializationError, type StreamLost } from "@qp2p/core/RecvError"
import type { SendError } from "@qp2p/core/SendError"
import type { SendStream } from "@qp2p/core/SendStream"
import { type StreamError, StreamStopped } from "@qp2p/core/StreamError"
import type { BackingSendStream } from "@qp2p/core/Transport"
import * as WireMessage from "@qp2p/core/WireMessage"
import { bytes } from "../../core/test/support/values.ts"
import {
  assertFails,
  type Failure,
  garbage,
  gone,
  misbehaviours,
  misbehaving,
  rowsOf,
  type Setup,
  stopped,
  type Table,
  type Variant,
  wasReset
} from "./support/errorTables.ts"
import { endpoint, joined, onLoopback, pair } from "./support/quicEndpoints.ts"
import { raw } from "../../core/test/support/bareSockets.ts"
import { until } from "./support/quicSockets.ts"

/** Operations that fail alike, by their names, and with what. */
interface Failing<E> {
  readonly operations: { readonly [name: string]: Effect.Effect<unknown, Failure> }
  readonly error: E
}

const run = (table: {
  readonly [tag: string]: ReadonlyArray<readonly [how: string, setup: Setup<Failing<Failure>>]>
}) => {
  for (const [name, setup] of rowsOf(table)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { error, operations } = yield* setup
        for (const [what, operation] of Object.entries(operations)) yield* assertFails(what, operation, error)
      }).pipe(onLoopback)
    )
  }
}

// --- on the sending side -------------------------------------------------------------------------------------------

/** Everything that sends a message, from an endpoint that is connected. */
const senders = Effect.fnUntraced(function* (
  one: Endpoint.Endpoint["Service"],
  peer: Endpoint.Address,
  payload: Uint8Array
) {
  const connection = yield* one.connectTo(peer)
  const stream = yield* connection.openBi()
  const uni = yield* connection.openUni()
  return {
    sendMessage: one.sendMessage(payload, peer),
    trySendMessage: one.trySendMessage(payload, peer),
    "connection.send": connection.send(payload),
    "uni.sendMessage": uni.sendMessage(payload),
    "bi.send.sendMessage": stream.send.sendMessage(payload)
  }
})

/** More than a peer takes that does not read. */
const large = new Uint8Array(3 << 20)

/** Waits until the windows are full and everything sent is acknowledged. */
const quiet = Effect.fnUntraced(function* (one: Endpoint.Endpoint["Service"], peer: Endpoint.Address) {
  const { stats } = yield* one.connectTo(peer)
  const bytesSoFar = Effect.map(stats, ({ bytesReceived, bytesSent }) => bytesReceived + bytesSent)
  let last = -1
  for (let now = yield* bytesSoFar; now !== last; now = yield* bytesSoFar) {
    last = now
    yield* Effect.sleep("250 millis")
  }
})

const invalidPayload = (payload: Uint8Array, detail: string) =>
  Effect.gen(function* () {
    const [one, two] = yield* pair({ maxMessageSize: 10 })
    return {
      operations: yield* senders(one, two.localAddress, payload),
      error: new SerializationError({ detail })
    }
  })

/** `ConnectionLost` takes the end of a connection, or none to begin with. */
type OnConnection<E extends { readonly _tag: string }> = {
  readonly [T in Exclude<E["_tag"], "ConnectionLost">]: Failing<Variant<E, T>>
}

const sends: Table<OnConnection<SendError>> = {
  SerializationError: [
    ["an empty message", invalidPayload(new Uint8Array(0), "a message must have at least 1 byte")],
    [
      "a message above maxMessageSize",
      invalidPayload(new Uint8Array(11), "a message of 11 bytes is larger than the maximum of 10")
    ]
  ],
  StreamLost: [
    [
      "the peer stops each stream",
      Effect.gen(function* () {
        const one = yield* endpoint({ retryDuration: 0 })
        const stops: Array<() => void> = []
        const { address: peer } = yield* raw("127.0.0.1:0", (_send, receive) => {
          stops.push(() => receive.stop(7))
          return { onData: () => false, onEnd: () => {} }
        })
        const all = yield* senders(one, peer, large)
        const operations: Record<string, Effect.Effect<void, Failure>> = {}
        for (const [name, send] of Object.entries(all)) {
          operations[name] = Effect.gen(function* () {
            const sending = yield* Effect.forkChild(send, { startImmediately: true })
            yield* until("the stream", () => stops.length > 0)
            yield* quiet(one, peer)
            for (const stop of stops.splice(0)) stop()
            return yield* Fiber.join(sending)
          })
        }
        return { operations, error: stopped(7) }
      })
    ]
  ]
}

describe("a send fails with", () => {
  run(sends)
})

// --- on the receiving side -----------------------------------------------------------------------------------------

/** A reader of a stream that the peer answers as `answer` does. */
const answered = <E>(answer: (reply: BackingSendStream) => void, error: E) =>
  Effect.gen(function* () {
    const one = yield* endpoint({ maxMessageSize: 10 })
    const { address: peer } = yield* raw("127.0.0.1:0", (reply) => ({
      onData: () => {
        if (reply !== undefined) answer(reply)
        return true
      },
      onEnd: () => {}
    }))
    const ask = Effect.tap(one.openBidirectionalStream(peer), ({ send }) => send.sendMessage(bytes("?")))
    return {
      operations: {
        next: Effect.flatMap(ask, ({ receive }) => receive.next),
        "next, once more": Effect.flatMap(ask, ({ receive }) =>
          Effect.andThen(Effect.exit(receive.next), receive.next)
        ),
        messages: Effect.flatMap(ask, ({ receive }) => Stream.runDrain(receive.messages))
      },
      error
    }
  })

const says = (said: Uint8Array) => (reply: BackingSendStream) => reply.write(said, true, () => {})

const receives: Table<OnConnection<RecvError>> = {
  SerializationError: [
    ["garbage", answered(says(garbage.bytes), garbage.error)],
    [
      "a message above maxMessageSize",
      answered(
        says(WireMessage.encodeUser(new Uint8Array(11))),
        new SerializationError({ detail: "a message of 11 bytes is larger than the maximum of 10" })
      )
    ],
    [
      "half a message",
      answered(
        says(WireMessage.encodeUser(new Uint8Array(10)).subarray(0, 12)),
        new SerializationError({ detail: "the stream ended after 3 of the 10 bytes of a message" })
      )
    ],
    [
      "a message to the endpoint",
      answered(
        says(Buffer.concat([1, 2].map(() => WireMessage.encode({ _tag: "EndpointEchoReq" })))),
        new SerializationError({ detail: "a EndpointEchoReq where a user message was expected" })
      )
    ]
  ],
  StreamLost: [["the peer resets the stream", answered((reply) => reply.reset(7), wasReset(7))]]
}

describe("a reader fails with", () => {
  run(receives)
})

// --- on a stream of two endpoints ----------------------------------------------------------------------------------

/** A bidirectional stream between two endpoints: at `one` as it was opened, at `two` the reply. */
const stream = Effect.gen(function* () {
  const [one, two] = yield* pair()
  const { receive, send } = yield* one.openBidirectionalStream(two.localAddress)
  yield* send.sendMessage(bytes("?"))
  const reply = Option.getOrThrow((yield* two.nextMessage).reply)
  return { receive, send, reply }
})

const streams: Table<{ readonly [T in StreamError["_tag"]]: Failing<StreamLost> }> = {
  StreamStopped: [
    [
      "the reader stops: at the sender of the reply",
      Effect.gen(function* () {
        const { receive, reply } = yield* stream
        yield* receive.stop(78)
        // Until the stop has come these go through.
        const sendMessage = Effect.andThen(Effect.sleep("2 millis"), reply.sendMessage(bytes("!"))).pipe(Effect.forever)
        return { operations: { sendMessage, finish: reply.finish }, error: stopped(78) }
      })
    ]
  ],
  StreamReset: [
    [
      "the reply is reset: at its reader",
      Effect.gen(function* () {
        const { receive, reply } = yield* stream
        yield* reply.reset(2 ** 53 - 1)
        return { operations: { next: receive.next }, error: wasReset(2 ** 53 - 1) }
      })
    ]
  ],
  StreamClosed: [
    [
      "finished by this side: at its sender",
      Effect.gen(function* () {
        const { send } = yield* stream
        yield* send.finish
        return { operations: { sendMessage: send.sendMessage(bytes("x")), finish: send.finish }, error: gone }
      })
    ],
    [
      "reset by this side: at its sender",
      Effect.gen(function* () {
        const { send } = yield* stream
        yield* send.reset(5)
        return { operations: { sendMessage: send.sendMessage(bytes("x")), finish: send.finish }, error: gone }
      })
    ],
    [
      "finished by the peer: at its reader",
      Effect.gen(function* () {
        const { receive, reply } = yield* stream
        yield* reply.sendMessage(bytes("!"))
        yield* reply.finish
        yield* receive.next
        return { operations: { next: receive.next, "next, once more": receive.next }, error: gone }
      })
    ],
    [
      "stopped by this side: at its reader",
      Effect.gen(function* () {
        const { receive } = yield* stream
        yield* receive.stop(5)
        return { operations: { next: receive.next, messages: Stream.runDrain(receive.messages) }, error: gone }
      })
    ]
  ]
}

describe("a stream fails with", () => {
  run(streams)
})

// --- what an endpoint refuses --------------------------------------------------------------------------------------

const unwanted = bytes("neither a message nor the end of one")

const largestMessage = 2 << 20

describe("a writer hears with the code 1 that an endpoint has refused", () => {
  const rows: ReadonlyArray<
    readonly [what: string, write: (connection: Connection) => Effect.Effect<SendStream, Failure, Scope.Scope>]
  > = [
    [
      "garbage on a unidirectional stream",
      (connection) => Effect.tap(connection.openUni(), (send) => send.write(unwanted))
    ],
    [
      "garbage on a bidirectional stream",
      (connection) =>
        Effect.gen(function* () {
          const { receive, send } = yield* connection.openBi()
          yield* send.write(unwanted)
          yield* assertFails("next", receive.next, wasReset(1))
          return send
        })
    ],
    [
      "the header of a message above its limit of 2 MiB",
      (connection) =>
        Effect.tap(connection.openUni(), (send) => send.write(WireMessage.encodeHeader(largestMessage + 1, 0)))
    ],
    [
      "a message above its limit of 2 MiB",
      (connection) =>
        Effect.gen(function* () {
          const send = yield* connection.openUni()
          yield* assertFails("sendMessage", send.sendMessage(large, { fin: true }), stopped(1))
          return send
        })
    ]
  ]
  for (const [what, write] of rows) {
    it.live(`when it has written ${what}`, () =>
      Effect.gen(function* () {
        const { near, one } = yield* joined({}, { maxMessageSize: largestMessage })
        const send = yield* write(near)
        assert.deepStrictEqual(yield* send.stopped, new StreamStopped({ code: 1 }))
        yield* assertFails("sendMessage", send.sendMessage(bytes("more")), stopped(1))
        // The connection lives on.
        yield* one.isReachable(near.remoteAddress)
      }).pipe(onLoopback)
    )
  }
})

// --- questions -----------------------------------------------------------------------------------------------------

describe("isReachable fails with", () => {
  for (const [tag, ways] of Object.entries(misbehaviours)) {
    for (const [how, { act, error }] of ways) {
      it.live(`${tag}: the peer ${how}`, () =>
        Effect.gen(function* () {
          const peer = yield* misbehaving(act)
          const one = yield* endpoint({ rpcTimeout: "1 second" })
          yield* assertFails("isReachable", one.isReachable(peer), error(peer))
        }).pipe(onLoopback)
      )
    }
  }
})
