/**
 * Prints the progress and the results of incoming files.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as PeerId from "@qp2p/core/PeerId"
import type * as PeerPolicy from "@qp2p/core/PeerPolicy"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import type { FileEvent } from "./FileEvent.ts"
import * as Format from "./Format.ts"
import * as LineLimit from "./internal/LineLimit.ts"
import * as PeerGroup from "./internal/PeerGroup.ts"
import { printable } from "./Printable.ts"
import * as Progress from "./Progress.ts"

/**
 * The output of a command that receives files.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface FileLog {
  /** Prints the line or the progress of an event. Lines about files that were not received are bounded for each network. */
  readonly onEvent: (event: FileEvent) => Effect.Effect<void>
  /** Prints a line on standard output that a peer has caused. Such lines are bounded for each network. */
  readonly note: (peer: NetAddress.InetAddress, line: string) => Effect.Effect<void>
  /** Prints a line on standard error that a peer has caused. Such lines are bounded for each network. */
  readonly warnOf: (peer: NetAddress.InetAddress, line: string) => Effect.Effect<void>
  /** Prints on standard error that a peer was not let in. Such lines are bounded for each network. */
  readonly refused: (peer: Pick<PeerPolicy.Peer, "address" | "peerId">) => Effect.Effect<void>
  /** Prints a line on standard output, without breaking a progress bar. */
  readonly say: (line: string) => Effect.Effect<void>
  /** Prints a line on standard error, without breaking a progress bar. */
  readonly warn: (line: string) => Effect.Effect<void>
}

/** The longest line, in characters: a message with its sender, or a path of this side. */
const longestLine = 5_000

/** Lines about files that do not arrive: a refusal is worth one, ten thousand are not. */
const refusalRates = { perSource: { burst: 20, perSecond: 1 }, overall: { burst: 100, perSecond: 10 } }

/** Lines about peers that come and go. */
const noteRates = { perSource: { burst: 100, perSecond: 5 }, overall: { burst: 500, perSecond: 50 } }

/**
 * A log that ends the line of its progress bars when the scope closes. With `quiet` it writes nothing to standard
 * output, which then has another use, such as the content of a file.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: { readonly quiet?: boolean } = {}
): Effect.fn.Return<FileLog, never, Stdio.Stdio | Scope.Scope> {
  const context = yield* Effect.context<Stdio.Stdio>()
  const bars = new Map<string, Progress.Progress>()
  const clear = Effect.suspend(() => Effect.forEach(Array.from(bars.values()), (bar) => bar.clear, { discard: true }))
  const print = options.quiet === true ? Console.error : Console.log
  const say = (line: string) => Effect.andThen(clear, print(printable(line, longestLine)))
  const warn = (line: string) => Effect.andThen(clear, Console.error(printable(line, longestLine)))

  yield* Effect.addFinalizer(() => Effect.forEach(Array.from(bars.values()), (bar) => bar.end, { discard: true }))

  const refusals = yield* LineLimit.make({ ...refusalRates, tell: warn })
  const notes = yield* LineLimit.make({ ...noteRates, tell: warn })
  const bounded =
    (limit: LineLimit.LineLimit, write: (line: string) => Effect.Effect<void>) =>
    (peer: NetAddress.InetAddress, line: string) =>
      Effect.flatMap(limit.admits(PeerGroup.networkOf(peer)), (isAdmitted) => (isAdmitted ? write(line) : Effect.void))
  const refused = bounded(refusals, warn)

  const onEvent = Effect.fnUntraced(function* (event: FileEvent) {
    const key = `${event.peerId} ${event.name}`
    const name = PeerId.short(event.peerId)
    switch (event._tag) {
      case "Started": {
        if (!(yield* refusals.admits(PeerGroup.networkOf(event.peer)))) return
        const size = Option.match(event.size, { onNone: () => "size unknown", onSome: Format.bytes })
        yield* say(`${Format.peer(event.peerId, event.peer)} sends ${event.name} (${size})`)
        bars.set(key, yield* Progress.make(event.name, event.size).pipe(Effect.provideContext(context)))
        return
      }
      case "Progress":
        return yield* bars.get(key)?.update(event.received) ?? Effect.void
      case "Received": {
        const took = Format.took(event.size, event.elapsed)
        yield* say(`received ${event.path} (${Format.bytes(event.size)}) from ${name} ${took}`)
        bars.delete(key)
        return yield* say(`sha256 ${event.sha256}`)
      }
      case "Refused":
        return yield* refused(
          event.peer,
          `${Format.peer(event.peerId, event.peer)}: ${event.name} was not received: ${event.detail}`
        )
      case "Failed": {
        yield* bars.get(key)?.end ?? Effect.void
        bars.delete(key)
        return yield* refused(event.peer, `${name}: ${event.name} was not received: ${event.detail}`)
      }
    }
  })

  return {
    onEvent,
    say,
    warn,
    note: bounded(notes, say),
    warnOf: bounded(notes, warn),
    refused: ({ address, peerId }) => refused(address, `${Format.peer(peerId, address)} is not in --allow: refused`)
  }
})
