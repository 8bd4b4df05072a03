import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import { IdleTimedOut } from "../../../src/Close.ts"
import { ConnectionTimedOut } from "../../../src/ConnectionError.ts"
import type { ConnectionId } from "../../../src/ConnectionId.ts"
import { ConnectionImpl, type ConnectionOwner } from "../../../src/internal/connection/connection.ts"
import { ask } from "../../../src/internal/endpoint/asking.ts"
import { ConnectionLost } from "../../../src/SendError.ts"
import type { IncomingMessage } from "../../../src/IncomingMessage.ts"
import type { IncomingStream } from "../../../src/IncomingStream.ts"
import type { Reply } from "../../../src/internal/connection/reply.ts"
import { Inbox } from "../../../src/internal/inbox.ts"
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
    const owner = { stopped: () => false, onClosed: () => {} } as unknown as ConnectionOwner
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
    } as unknown as ConnectionOwner
    const connection = new ConnectionImpl("id" as ConnectionId, backing, owner)
    assert.throws(() => connection.onClosed(new IdleTimedOut()), "a defect of the program's pool")
    assert.deepStrictEqual(yield* connection.closed, new IdleTimedOut())
  })
)

describe("a connection of an application that reads streams itself, once it has ended,", () => {
  const receive: BackingRecvStream = { resume: () => {}, stop: () => {} }
  const send: BackingSendStream = { write: () => {}, onStopped: () => {}, setPriority: () => {}, reset: () => {} }

  /** Such a connection, for an application with a full queue of messages. */
  const setup = () => {
    const messages = new Inbox<IncomingMessage>({ capacity: 1 })
    messages.offer({} as IncomingMessage)
    const replies = new Set<Reply>()
    const timers: Array<Fiber.Fiber<unknown, unknown>> = []
    let kept = 0
    const owner: Partial<ConnectionOwner> = {
      config: { maxMessageSize: 1_000, reassemblyBuffer: 1_000 } as ConnectionOwner["config"],
      messages,
      streams: new Inbox<IncomingStream>({ capacity: 1 }),
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
      onKept: (bytes) => (kept += bytes),
      onClosed: () => {}
    }
    const backing = { remoteAddress: peer } as unknown as BackingConnection
    const connection = new ConnectionImpl("id" as ConnectionId, backing, owner as ConnectionOwner)
    return { connection, kept: () => kept, messages, replies, timers }
  }

  it.effect("runs no timer for a stream that is undecided", () =>
    Effect.gen(function* () {
      const { connection, timers } = setup()
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
    const { connection, kept, messages, replies } = setup()
    const stream = connection.onStream(receive, send)
    const question = WireMessage.encode({ _tag: "EndpointEchoReq" })
    // One question more than a reply takes at once.
    const content = Buffer.concat([...Array(17).fill(question), WireMessage.encodeUser(Uint8Array.of(1))])
    assert.isFalse(stream.onData(new Uint8Array(content)))
    stream.onEnd(new IdleTimedOut())
    connection.onClosed(new IdleTimedOut())
    assert.isAbove(kept(), 0)
    for (const reply of replies) reply.answer(undefined)
    assert.strictEqual(messages.waiting, 0)
    assert.strictEqual(kept(), 0)
  })
})
