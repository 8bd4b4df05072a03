/**
 * A bidirectional stream without a network, for tests of commands.
 */
import type { BidirectionalStream } from "@qp2p/core/BidirectionalStream"
import type { PeerId } from "@qp2p/core/PeerId"
import { StreamLost } from "@qp2p/core/SendError"
import type { SendStream } from "@qp2p/core/SendStream"
import { StreamClosed } from "@qp2p/core/StreamError"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type * as FileReceiver from "../../src/FileReceiver.ts"

export const alice = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:5001")
export const bob = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:5002")

const ids = new Map<string, PeerId>()

/** The peer at an address, in tests. */
export const idAt = (address: NetAddress.InetAddress): PeerId => {
  const known = ids.get(`${address}`) ?? TestIdentity.make(`${address}`).peerId
  ids.set(`${address}`, known)
  return known
}

const gone = () => new StreamLost({ reason: new StreamClosed({}) })

const half = (queue: Queue.Queue<Uint8Array, Cause.Done>, resets: Array<number>): SendStream => ({
  sendMessage: (payload, options) =>
    Effect.flatMap(Queue.offer(queue, payload), (taken) => {
      if (!taken) return Effect.fail(gone())
      return options?.fin === true ? Effect.asVoid(Queue.end(queue)) : Effect.void
    }),
  write: () => Effect.die(new Error("the command writes messages only")),
  stopped: Effect.never,
  setPriority: () => Effect.void,
  finish: Effect.asVoid(Queue.end(queue)),
  reset: (code) =>
    Effect.andThen(
      Effect.sync(() => resets.push(code)),
      Queue.end(queue)
    )
})

/** A bidirectional stream without a network: what one side sends waits in a short queue for the other. */
export const makeStream = Effect.fnUntraced(function* (capacity = 2) {
  const there = yield* Queue.bounded<Uint8Array, Cause.Done>(capacity)
  const back = yield* Queue.bounded<Uint8Array, Cause.Done>(16)
  const resets: Array<number> = []
  const next = Effect.mapError(Queue.take(back), gone)
  const stream: BidirectionalStream = {
    send: half(there, resets),
    receive: { next, messages: Stream.never, bytes: Stream.never, stop: () => Effect.void }
  }
  return {
    /** What the peer that opened the stream holds. */
    stream,
    /** What the other peer gets with every message. */
    reply: half(back, []),
    /** Messages on their way to the other peer. */
    there,
    /** Answers on their way back. */
    back,
    /** Codes with which the opener gave up. */
    resets
  }
})

export type FakeStream = Effect.Success<ReturnType<typeof makeStream>>

/** Hands everything that is sent to a receiver, as the loop of a command does, until the sender is done. */
export const pump = (fake: FakeStream, receiver: FileReceiver.FileReceiver, peer = alice) =>
  Queue.take(fake.there).pipe(
    Effect.flatMap((payload) => receiver.handle({ peer, peerId: idAt(peer), payload, reply: Option.some(fake.reply) })),
    Effect.forever,
    Effect.catchCause(() => Effect.void)
  )
