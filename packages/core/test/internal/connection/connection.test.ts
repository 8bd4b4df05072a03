import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import { IdleTimedOut } from "../../../src/Close.ts"
import { ConnectionTimedOut } from "../../../src/ConnectionError.ts"
import type { ConnectionId } from "../../../src/ConnectionId.ts"
import { ConnectionImpl } from "../../../src/internal/connection/connection.ts"
import type { ConnectionOwner } from "../../../src/internal/connection/connectionOwner.ts"
import { ask } from "../../../src/internal/endpoint/asking.ts"
import { ConnectionLost } from "../../../src/SendError.ts"
import type { IncomingMessage } from "../../../src/IncomingMessage.ts"
import type { IncomingStream } from "../../../src/IncomingStream.ts"
import type { Reply } from "../../../src/internal/connection/reply.ts"
import { FairInbox } from "../../../src/internal/fairInbox.ts"
import type { BackingConnection, BackingRecvStream, BackingSendStream } from "../../../src/Transport.ts"
import * as WireMessage from "../../../src/WireMessage.ts"

const peer = NetAddress.inetAddressFromStringUnsafe("192.0.2.7:443")

it.effect("a question on a connection that has ended fails with its end, and touches nothing", () =>
  Effect.gen(function* () {
    const touched: Array<string> = []
    const backing = {
      remoteAddress: peer,
      openBi: () => {
        touched.push("openBi")
        throw new Error("calls on what is over do nothing")
      }
    } as unknown as BackingConnection
    const owner = { stopped: () => false, onClosed: () => {} } as unknown as ConnectionOwner<ConnectionImpl>
    const connection = new ConnectionImpl("id" as ConnectionId, backing, owner)
    connection.onClosed(new IdleTimedOut())
    const answer = ask(connection, { _tag: "EndpointEchoReq" }, { limit: Duration.infinity, maxMessageSize: 1_000 })
    assert.deepStrictEqual(yield* Effect.flip(answer), new ConnectionLost({ reason: new ConnectionTimedOut({ peer }) }))
    assert.deepStrictEqual(touched, [])
  })
)

it.effect("a connection whose end makes the program's pool fail has ended all the same", () =>
  Effect.gen(function* () {
    const backing = { remoteAddress: peer } as unknown as BackingConnection
    const owner = {
      onClosed: () => {
        throw new Error("a defect of the program's pool")
      }
    } as unknown as ConnectionOwner<ConnectionImpl>
    const connection = new ConnectionImpl("id" as ConnectionId, backing, owner)
    assert.throws(() => connection.onClosed(new IdleTimedOut()), "a defect of the program's pool")
    assert.deepStrictEqual(yield* connection.closed, new IdleTimedOut())
  })
)

const receive: BackingRecvStream = { resume: () => {}, stop: () => {} }
const send: BackingSendStream = { write: () => {}, onStopped: () => {}, setPriority: () => {}, reset: () => {} }

/** A connection, for an application with a full queue of messages that reads streams itself or not. */
const setup = (options: { readonly readsStreams: boolean }) => {
  const queue = { capacity: 1, byteCapacity: Infinity, sizeOf: () => 0 }
  const messages = new FairInbox<IncomingMessage>(queue)
  messages.lane("192.0.2.9", "another peer").offer({} as IncomingMessage)
  const replies = new Set<Reply>()
  const timers: Array<Fiber.Fiber<unknown, unknown>> = []
  const owner: Partial<ConnectionOwner<ConnectionImpl>> = {
    config: { maxMessageSize: 1_000, reassemblyBuffer: 1_000 } as ConnectionOwner<ConnectionImpl>["config"],
    messages,
    streams: options.readsStreams ? new FairInbox<IncomingStream>(queue) : undefined,
    now: () => 0,
    background: (effect) => {
      const fiber = Effect.runFork(effect)
      timers.push(fiber)
      return fiber
    },
    stopped: () => false,
    onControl: (_, __, reply) => {
      replies.add(reply!)
      reply!.question(() => {})
    },
    onUsed: () => {},
    onClosed: () => {}
  }
  const backing = { remoteAddress: peer } as unknown as BackingConnection
  const connection = new ConnectionImpl("id" as ConnectionId, backing, owner as ConnectionOwner<ConnectionImpl>)
  return { connection, kept: () => messages.kept, messages, replies, timers }
}

const question = WireMessage.encode({ _tag: "EndpointEchoReq" })
/** One question more than a reply takes at once, and a message. */
const questions = new Uint8Array(Buffer.concat([...Array(17).fill(question), WireMessage.encodeUser(Uint8Array.of(1))]))

describe("a connection of an application that reads streams itself, once it has ended,", () => {
  it.effect("runs no timer for a stream that is undecided", () =>
    Effect.gen(function* () {
      const { connection, timers } = setup({ readsStreams: true })
      connection.onStream(receive, send).onData(Uint8Array.of(0, 1))
      assert.strictEqual(timers.length, 1)
      yield* Effect.yieldNow
      assert.isUndefined(timers[0]!.pollUnsafe())
      connection.onClosed(new IdleTimedOut())
      yield* Effect.yieldNow
      assert.isDefined(timers[0]!.pollUnsafe())
    })
  )

  it("keeps no messages that waited behind an answer and then have no room", () => {
    const { connection, kept, messages, replies } = setup({ readsStreams: true })
    const stream = connection.onStream(receive, send)
    assert.isFalse(stream.onData(questions))
    stream.onEnd(new IdleTimedOut())
    connection.onClosed(new IdleTimedOut())
    for (const reply of replies) reply.answer(undefined)
    assert.strictEqual(messages.waiting, 0)
    assert.strictEqual(kept(), 0)
  })
})

it("messages of a stream that has ended are counted while they wait for room, and not while they wait for an answer", () => {
  const { connection, kept, messages, replies } = setup({ readsStreams: false })
  const stream = connection.onStream(receive, send)
  assert.isFalse(stream.onData(questions))
  stream.onEnd()
  assert.deepStrictEqual([messages.waiting, kept()], [0, 0])
  for (const reply of replies) reply.answer(undefined)
  assert.deepStrictEqual([messages.waiting, kept()], [1, 128 + 1])
  messages.shift()
  assert.deepStrictEqual([messages.length, messages.waiting, kept()], [1, 0, 0])
})

it("messages before a question are counted no longer once the question waits for an answer", () => {
  const { connection, kept, messages } = setup({ readsStreams: false })
  const stream = connection.onStream(receive, send)
  const content = Buffer.concat([...Array(16).fill(question), WireMessage.encodeUser(Uint8Array.of(1)), question])
  assert.isFalse(stream.onData(new Uint8Array(content)))
  stream.onEnd()
  assert.strictEqual(kept(), 128 + 1 + 128)
  messages.shift()
  assert.deepStrictEqual([messages.length, messages.waiting, kept()], [1, 0, 0])
})
