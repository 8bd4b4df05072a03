/**
 * The answers to senders of files, which wait for their acknowledgement.
 */
import type { SendStream } from "@qp2p/core/SendStream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as FileTransfer from "../FileTransfer.ts"
import type { PeerGroup } from "./PeerGroup.ts"

/**
 * The answers of one receiver.
 */
export interface FileAnswers {
  /** Answers, and does not wait. A stream for which there are too many unacknowledged answers is reset instead. */
  readonly send: (reply: SendStream, group: PeerGroup, result: FileTransfer.Result) => Effect.Effect<void>
  /** Runs an effect that ends in an answer, in a fiber of its own. */
  readonly run: (effect: Effect.Effect<void>) => Effect.Effect<Fiber.Fiber<void>>
  /** Waits until all is done and acknowledged or given up. */
  readonly done: Effect.Effect<void>
}

/** How long an answer waits for its acknowledgement. */
const timeout = Duration.seconds(10)

/** The most unacknowledged refusals, for all networks and for each; twice as many confirmations may be added to them. */
const maxRefusals = 256
const maxRefusalsPerNetwork = 32

const resetCode = 1

/**
 * No answers yet. They end with the scope.
 */
export const make: Effect.Effect<FileAnswers, never, Scope.Scope> = Effect.gen(function* () {
  const fibers = yield* FiberSet.make<void>()
  const perNetwork = new Map<string, number>()
  let total = 0

  const add = (network: string, change: 1 | -1) => {
    total += change
    const count = (perNetwork.get(network) ?? 0) + change
    if (count === 0) perNetwork.delete(network)
    else perNetwork.set(network, count)
  }

  const send = Effect.fnUntraced(function* (reply: SendStream, { network }: PeerGroup, result: FileTransfer.Result) {
    // A peer that acknowledges nothing must not keep others from hearing that their file has arrived.
    const share = result.ok ? 3 : 1
    if (total >= share * maxRefusals || (perNetwork.get(network) ?? 0) >= share * maxRefusalsPerNetwork) {
      return yield* reply.reset(resetCode)
    }
    add(network, 1)
    yield* FiberSet.run(
      fibers,
      reply
        .sendMessage(FileTransfer.resultCodec.encode(result), { fin: true })
        .pipe(
          Effect.timeoutOrElse({ duration: timeout, orElse: () => reply.reset(resetCode) }),
          Effect.ignore,
          Effect.ensuring(Effect.sync(() => add(network, -1)))
        )
    )
  })

  return {
    send,
    run: (effect) => FiberSet.run(fibers, effect),
    done: FiberSet.awaitEmpty(fibers)
  }
})
