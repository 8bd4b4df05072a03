/**
 * The receiving side of `FileTransfer`.
 *
 * The messages of all streams of all peers come out of one queue, one after the other, and are handled in that order by
 * one caller. A message is written to disk before the next one is taken, so the queue fills, and flow control holds
 * the senders back, when the disk is slower than the network.
 *
 * @since 0.1.0
 */
import type { SendStream } from "@qp2p/core/SendStream"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as FileSystem from "effect/FileSystem"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { createHash, randomUUID, type Hash } from "node:crypto"
import { CommandFailed, describeFileError, exitCodes } from "./Failure.ts"
import { numbered, safeName } from "./FileName.ts"
import * as FileTransfer from "./FileTransfer.ts"

/**
 * What becomes of an incoming file. `name` is already safe to show and to create.
 *
 * @category models
 * @since 0.1.0
 */
export type FileEvent =
  | { readonly _tag: "Started"; readonly peer: NetAddress.InetAddress; readonly name: string; readonly size: number }
  | {
      readonly _tag: "Progress"
      readonly peer: NetAddress.InetAddress
      readonly name: string
      readonly size: number
      readonly received: number
    }
  | {
      readonly _tag: "Received"
      readonly peer: NetAddress.InetAddress
      readonly name: string
      readonly size: number
      readonly path: string
      readonly sha256: string
      readonly elapsed: Duration.Duration
    }
  | { readonly _tag: "Failed"; readonly peer: NetAddress.InetAddress; readonly name: string; readonly reason: string }

/**
 * The part of an endpoint's `IncomingMessage` that a receiver looks at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Incoming {
  readonly peer: NetAddress.InetAddress
  readonly payload: Uint8Array
  readonly reply: Option.Option<SendStream>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface FileReceiver {
  /** Takes a message if it belongs to a file. False: it is someone else's. */
  readonly handle: (message: Incoming) => Effect.Effect<boolean>
  /** Drops every open transfer with a peer that is gone. */
  readonly forget: (peer: NetAddress.InetAddress) => Effect.Effect<void>
  /** Waits until every answer was acknowledged or given up. */
  readonly answered: Effect.Effect<void>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Where files go. Without one every file is refused. */
  readonly directory: Option.Option<string>
  readonly onEvent: (event: FileEvent) => Effect.Effect<void>
  /** Transfers open at one time, 16 by default; further ones are refused. */
  readonly maxTransfers?: number | undefined
  /** A transfer of which nothing arrives for this long is dropped; 30 s by default. */
  readonly stallTimeout?: Duration.Input | undefined
}

/**
 * Creates the directory if need be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ensureDirectory = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs
    .makeDirectory(directory, { recursive: true })
    .pipe(
      Effect.mapError(
        (error) => new CommandFailed({ reason: describeFileError(directory, error), exitCode: exitCodes.failed })
      )
    )
})

/** The reason for dropping a transfer: it is told to the sender and to `onEvent`. */
class Rejected extends Schema.TaggedError<Rejected>("@qp2p/cli/FileReceiver/Rejected")("Rejected", {
  reason: Schema.String
}) {}

interface Transfer {
  readonly peer: NetAddress.InetAddress
  readonly reply: SendStream
  readonly name: string
  readonly size: number
  readonly file: FileSystem.File
  readonly temporary: string
  readonly scope: Scope.Closeable
  readonly hash: Hash
  readonly startedAt: bigint
  received: number
  lastHeard: bigint
}

/** An answer that is not acknowledged by then does not matter to anyone. */
const answerTimeout = Duration.seconds(10)

/** Beyond this many unacknowledged answers a stream is reset instead of answered. */
const maxAnswers = 256

const resetCode = 1

/**
 * A receiver that lives as long as its scope. When that closes, open transfers are dropped and their partial files
 * removed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<FileReceiver, never, FileSystem.FileSystem | Path.Path | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const parentScope = yield* Effect.scope
  const maxTransfers = options.maxTransfers ?? 16
  const stallTimeout = Duration.fromInputUnsafe(options.stallTimeout ?? FileTransfer.defaultStallTimeout)
  const stallNanos = BigInt(Math.round(Duration.toMillis(stallTimeout) * 1_000_000))

  // All messages of one stream carry the same `reply` object: it is the only thing that tells streams apart.
  const transfers = new Map<SendStream, Transfer>()
  // What still arrives for a transfer that is over is nobody's message.
  const over = new WeakSet<SendStream>()
  const answers = yield* FiberSet.make()
  const lock = yield* Semaphore.make(1)

  const answer = Effect.fnUntraced(function* (reply: SendStream, result: FileTransfer.Result) {
    over.add(reply)
    if ((yield* FiberSet.size(answers)) >= maxAnswers) return yield* reply.reset(resetCode)
    yield* FiberSet.run(
      answers,
      reply
        .sendMessage(FileTransfer.resultCodec.encode(result))
        .pipe(
          Effect.andThen(reply.finish),
          Effect.timeoutOrElse({ duration: answerTimeout, orElse: () => reply.reset(resetCode) }),
          Effect.ignore
        )
    )
  })

  const rejected = (file: string) =>
    Effect.mapError((error: PlatformError.PlatformError) => new Rejected({ reason: describeFileError(file, error) }))

  const drop = Effect.fnUntraced(function* (transfer: Transfer, reason: string) {
    transfers.delete(transfer.reply)
    yield* Scope.close(transfer.scope, Exit.void)
    yield* answer(transfer.reply, { ok: false, error: reason })
    yield* options.onEvent({ _tag: "Failed", peer: transfer.peer, name: transfer.name, reason })
  })

  const refuse = Effect.fnUntraced(function* (message: Incoming, reply: SendStream, name: string, reason: string) {
    yield* answer(reply, { ok: false, error: reason })
    yield* options.onEvent({ _tag: "Failed", peer: message.peer, name, reason })
  })

  const begin = Effect.fnUntraced(function* (message: Incoming, reply: SendStream, header: FileTransfer.Header) {
    const name = safeName(header.name)
    if (Option.isNone(options.directory)) {
      return yield* refuse(message, reply, name, "this node takes no files")
    }
    if (transfers.size >= maxTransfers) {
      return yield* refuse(message, reply, name, `busy with ${transfers.size} other files`)
    }
    const directory = options.directory.value
    const scope = yield* Scope.fork(parentScope)
    const opened = yield* Effect.gen(function* () {
      const temporary = path.join(directory, `.qp2p-${randomUUID()}.part`)
      // Registered before the file is opened: finalizers run in reverse, so it is closed before it is removed.
      yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
      const file = yield* fs.open(temporary, { flag: "wx" })
      return { temporary, file }
    }).pipe(Scope.provide(scope), rejected(directory), Effect.result)
    if (opened._tag === "Failure") {
      yield* Scope.close(scope, Exit.void)
      return yield* refuse(message, reply, name, opened.failure.reason)
    }
    const now = yield* Clock.monotonicTimeNanos
    transfers.set(reply, {
      peer: message.peer,
      reply,
      name,
      size: header.size,
      ...opened.success,
      scope,
      hash: createHash("sha256"),
      startedAt: now,
      received: 0,
      lastHeard: now
    })
    yield* options.onEvent({ _tag: "Started", peer: message.peer, name, size: header.size })
  })

  // Creating the final name exclusively reserves it, so the rename can only replace our own empty file.
  const place = Effect.fnUntraced(function* (transfer: Transfer, directory: string) {
    for (let attempt = 0; ; attempt++) {
      const target = path.join(directory, numbered(transfer.name, attempt))
      const reserved = yield* Effect.result(Effect.scoped(fs.open(target, { flag: "wx" })))
      if (reserved._tag === "Success") {
        yield* fs
          .rename(transfer.temporary, target)
          .pipe(Effect.onError(() => Effect.ignore(fs.remove(target, { force: true }))))
        return target
      }
      if (reserved.failure.reason._tag !== "AlreadyExists" || attempt >= 10_000) {
        return yield* Effect.fail(reserved.failure)
      }
    }
  })

  const complete = Effect.fnUntraced(function* (transfer: Transfer, payload: Uint8Array) {
    const trailer = FileTransfer.trailerCodec.decode(payload)
    if (Option.isNone(trailer)) {
      return yield* new Rejected({ reason: `more than the announced ${transfer.size} bytes, or no hash after them` })
    }
    const sha256 = transfer.hash.digest("hex")
    if (trailer.value.sha256 !== sha256) {
      return yield* new Rejected({ reason: `hash mismatch: announced ${trailer.value.sha256}, received ${sha256}` })
    }
    const directory = Option.getOrThrow(options.directory)
    yield* rejected(directory)(transfer.file.sync)
    const target = yield* rejected(directory)(place(transfer, directory))
    const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - transfer.startedAt)
    transfers.delete(transfer.reply)
    yield* Scope.close(transfer.scope, Exit.void)
    yield* answer(transfer.reply, { ok: true, sha256 })
    const { name, peer, size } = transfer
    yield* options.onEvent({ _tag: "Received", peer, name, size, path: target, sha256, elapsed })
  })

  const append = Effect.fnUntraced(function* (transfer: Transfer, payload: Uint8Array) {
    if (transfer.received === transfer.size) return yield* complete(transfer, payload)
    if (transfer.received + payload.length > transfer.size) {
      return yield* new Rejected({ reason: `more than the announced ${transfer.size} bytes` })
    }
    transfer.hash.update(payload)
    yield* rejected(transfer.name)(transfer.file.writeAll(payload))
    transfer.received += payload.length
    const { name, peer, received, size } = transfer
    yield* options.onEvent({ _tag: "Progress", peer, name, size, received })
    transfer.lastHeard = yield* Clock.monotonicTimeNanos
  })

  const handle = Effect.fnUntraced(function* (message: Incoming) {
    if (Option.isNone(message.reply)) return false
    const reply = message.reply.value
    const transfer = transfers.get(reply)
    if (transfer !== undefined) {
      yield* append(transfer, message.payload).pipe(
        Effect.catchTag("Rejected", (error) => drop(transfer, error.reason))
      )
      return true
    }
    if (over.has(reply)) return true
    const header = FileTransfer.headerCodec.decode(message.payload)
    if (Option.isNone(header)) return false
    yield* begin(message, reply, header.value)
    return true
  })

  const dropWhere = (condition: (transfer: Transfer) => boolean, reason: string) =>
    Effect.forEach(Array.from(transfers.values()).filter(condition), (transfer) => drop(transfer, reason), {
      discard: true
    })

  yield* Effect.sleep(Duration.millis(Math.max(10, Duration.toMillis(stallTimeout) / 4))).pipe(
    Effect.andThen(Clock.monotonicTimeNanos),
    Effect.flatMap((now) =>
      lock.withPermits(1)(
        Effect.suspend(() =>
          dropWhere(
            (transfer) => now - transfer.lastHeard >= stallNanos,
            `nothing arrived for ${Duration.toSeconds(stallTimeout)} s`
          )
        )
      )
    ),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    // Half a step must not stay behind when the caller is interrupted: a reserved name, say.
    handle: (message) => Effect.uninterruptible(lock.withPermits(1)(handle(message))),
    forget: (peer) =>
      lock.withPermits(1)(
        Effect.suspend(() => dropWhere((transfer) => `${transfer.peer}` === `${peer}`, "the sender went away"))
      ),
    answered: FiberSet.awaitEmpty(answers)
  }
})
