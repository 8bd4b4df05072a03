/**
 * The receiving side of `FileTransfer`.
 *
 * The messages of all streams and peers come from one queue, and one caller handles them in that order. A message is
 * written to disk before the next one is taken. When the disk is slower than the network, the queue fills, and flow
 * control stops the senders.
 *
 * @stability unstable
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
import { createHash, type Hash } from "node:crypto"
import { CommandFailed, describeFileError, exitCodes, fileProblem } from "./Failure.ts"
import { safeName } from "./FileName.ts"
import * as FileStore from "./FileStore.ts"
import * as FileTransfer from "./FileTransfer.ts"
import * as Format from "./Format.ts"

/**
 * An event of an incoming file. `name` is safe to print and to create. `size` is none when the sender knows it only at
 * the end. A `detail` may quote the peer and name local paths.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type FileEvent =
  | {
      readonly _tag: "Started"
      readonly peer: NetAddress.InetAddress
      readonly name: string
      readonly size: Option.Option<number>
    }
  | {
      readonly _tag: "Progress"
      readonly peer: NetAddress.InetAddress
      readonly name: string
      readonly size: Option.Option<number>
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
  | { readonly _tag: "Failed"; readonly peer: NetAddress.InetAddress; readonly name: string; readonly detail: string }

/**
 * The parts of `IncomingMessage` that a receiver uses.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Incoming {
  /** The address of the sender. */
  readonly peer: NetAddress.InetAddress
  /** The bytes of the message. */
  readonly payload: Uint8Array
  /** The sending half of the message's stream; none for a unidirectional stream. */
  readonly reply: Option.Option<SendStream>
}

/**
 * The receiver of all incoming files of an endpoint.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface FileReceiver {
  /** Handles a message that belongs to a file. Returns false for any other message. */
  readonly handle: (message: Incoming) => Effect.Effect<boolean>
  /** Drops every open transfer with a peer whose connection has ended. */
  readonly forget: (peer: NetAddress.InetAddress) => Effect.Effect<void>
  /** Waits until every answer was acknowledged or given up. */
  readonly answered: Effect.Effect<void>
}

/**
 * Options of a file receiver.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The directory for received files. Without one every file is refused. */
  readonly directory: Option.Option<string>
  /** The destination of files in place of `directory`, such as standard output. */
  readonly store?: FileStore.FileStore | undefined
  /** Called with each event. */
  readonly onEvent: (event: FileEvent) => Effect.Effect<void>
  /** The maximum number of open transfers, 16 by default; further ones are refused. */
  readonly maxTransfers?: number | undefined
  /** A transfer that receives no message for this long is dropped; 30 s by default. */
  readonly stallTimeout?: Duration.Input | undefined
}

/**
 * Like `makeDirectory` with `recursive`, which never ends where a directory can be neither found nor created, as in
 * `/proc`.
 */
const makeDirectories: (
  directory: string
) => Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> = Effect.fnUntraced(
  function* (directory) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (Option.exists(yield* Effect.option(fs.stat(directory)), ({ type }) => type === "Directory")) return
    const parent = path.dirname(path.resolve(directory))
    const above = yield* Effect.result(fs.stat(parent))
    if (above._tag === "Failure" && above.failure.reason._tag === "NotFound" && parent !== path.resolve(directory)) {
      yield* makeDirectories(parent)
    }
    yield* fs.makeDirectory(directory).pipe(
      // Another receiver that starts now has created it.
      Effect.catchIf(
        (error) => error.reason._tag === "AlreadyExists",
        (error) =>
          Effect.flatMap(fs.stat(directory), ({ type }) => (type === "Directory" ? Effect.void : Effect.fail(error)))
      )
    )
  }
)

/**
 * Creates the directory if it is missing. Fails with `CommandFailed` when no file can be created in it.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const ensureDirectory = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const failed = (detail: string) => new CommandFailed({ detail, exitCode: exitCodes.failed })
  const existing = yield* Effect.option(fs.stat(directory))
  if (Option.isSome(existing) && existing.value.type !== "Directory") {
    return yield* failed(`cannot receive into ${directory}: it is no directory`)
  }
  yield* Effect.mapError(makeDirectories(directory), (error) =>
    failed(describeFileError(`cannot create the directory ${directory}`, error))
  )
  yield* Effect.mapError(fs.access(directory, { writable: true }), (error) =>
    failed(describeFileError(`cannot receive into ${directory}`, error))
  )
})

/** A transfer was dropped. `detail` is for people on this side; the text for the sender names no local path. */
class Rejected extends Schema.TaggedError<Rejected>("@qp2p/cli/FileReceiver/Rejected")("Rejected", {
  detail: Schema.String,
  told: Schema.String
}) {}

const rejection = (detail: string) => new Rejected({ detail, told: detail })

interface Transfer {
  readonly peer: NetAddress.InetAddress
  readonly reply: SendStream
  readonly name: string
  readonly size: Option.Option<number>
  /** The key that the trailer must have. */
  readonly end: string | undefined
  readonly file: FileStore.OpenFile
  readonly scope: Scope.Closeable
  readonly hash: Hash
  readonly startedAt: bigint
  received: number
  lastHeard: bigint
}

/** How long an answer waits for its acknowledgement. */
const answerTimeout = Duration.seconds(10)

/** The maximum number of unacknowledged answers; beyond it a stream is reset instead of answered. */
const maxAnswers = 256

const resetCode = 1

/**
 * A receiver for the lifetime of the scope. When the scope closes, open transfers are dropped and their partial files
 * removed.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<FileReceiver, never, FileSystem.FileSystem | Path.Path | Scope.Scope> {
  const store =
    options.store ??
    (Option.isSome(options.directory) ? yield* FileStore.directory(options.directory.value) : undefined)
  const parentScope = yield* Effect.scope
  const maxTransfers = options.maxTransfers ?? 16
  const stallTimeout = Duration.fromInputUnsafe(options.stallTimeout ?? FileTransfer.defaultStallTimeout)
  const stallNanos = BigInt(Math.round(Duration.toMillis(stallTimeout) * 1_000_000))

  // All messages of a stream carry the same `reply` object: nothing else identifies the stream.
  const transfers = new Map<SendStream, Transfer>()
  // Streams whose transfer has ended: later messages on them are ignored.
  const over = new WeakSet<SendStream>()
  const answers = yield* FiberSet.make()
  const lock = yield* Semaphore.make(1)

  const answer = Effect.fnUntraced(function* (reply: SendStream, result: FileTransfer.Result) {
    over.add(reply)
    if ((yield* FiberSet.size(answers)) >= maxAnswers) return yield* reply.reset(resetCode)
    yield* FiberSet.run(
      answers,
      reply
        .sendMessage(FileTransfer.resultCodec.encode(result), { fin: true })
        .pipe(Effect.timeoutOrElse({ duration: answerTimeout, orElse: () => reply.reset(resetCode) }), Effect.ignore)
    )
  })

  const rejected = Effect.mapError(
    (error: PlatformError.PlatformError) =>
      new Rejected({
        detail: describeFileError(`cannot write to ${store?.name}`, error),
        told: `the receiver cannot store it: ${fileProblem(error)}`
      })
  )

  const drop = Effect.fnUntraced(function* (transfer: Transfer, { detail, told }: Rejected) {
    transfers.delete(transfer.reply)
    yield* Scope.close(transfer.scope, Exit.void)
    yield* answer(transfer.reply, { ok: false, error: told })
    yield* options.onEvent({ _tag: "Failed", peer: transfer.peer, name: transfer.name, detail })
  })

  const refuse = Effect.fnUntraced(function* (message: Incoming, reply: SendStream, name: string, why: Rejected) {
    const { detail, told } = why
    yield* answer(reply, { ok: false, error: told })
    yield* options.onEvent({ _tag: "Failed", peer: message.peer, name, detail })
  })

  const begin = Effect.fnUntraced(function* (message: Incoming, reply: SendStream, header: FileTransfer.Header) {
    const name = safeName(header.name)
    if (store === undefined) {
      return yield* refuse(message, reply, name, rejection("this node takes no files"))
    }
    if (header.size === undefined && header.end === undefined) {
      return yield* refuse(message, reply, name, rejection("nothing announces where the file ends"))
    }
    if (transfers.size >= maxTransfers) {
      const others = transfers.size === 1 ? "another file" : `${transfers.size} other files`
      return yield* refuse(message, reply, name, rejection(`busy with ${others}`))
    }
    const scope = yield* Scope.fork(parentScope)
    const opened = yield* store.open(name).pipe(Scope.provide(scope), rejected, Effect.result)
    if (opened._tag === "Failure") {
      yield* Scope.close(scope, Exit.void)
      return yield* refuse(message, reply, name, opened.failure)
    }
    const now = yield* Clock.monotonicTimeNanos
    const size = Option.fromUndefinedOr(header.size)
    transfers.set(reply, {
      peer: message.peer,
      reply,
      name,
      size,
      end: header.end,
      file: opened.success,
      scope,
      hash: createHash("sha256"),
      startedAt: now,
      received: 0,
      lastHeard: now
    })
    yield* options.onEvent({ _tag: "Started", peer: message.peer, name, size })
  })

  const complete = Effect.fnUntraced(function* (transfer: Transfer, trailer: FileTransfer.Trailer) {
    const { name, peer, received, size } = transfer
    if (Option.isSome(size) && received !== size.value) {
      return yield* rejection(`it ended after ${received} of the announced ${size.value} bytes`)
    }
    const sha256 = transfer.hash.digest("hex")
    if (trailer.sha256 !== sha256) {
      return yield* rejection(`hash mismatch: announced ${trailer.sha256}, received ${sha256}`)
    }
    const target = yield* rejected(transfer.file.commit)
    const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - transfer.startedAt)
    transfers.delete(transfer.reply)
    yield* Scope.close(transfer.scope, Exit.void)
    yield* answer(transfer.reply, { ok: true, sha256 })
    yield* options.onEvent({ _tag: "Received", peer, name, size: received, path: target, sha256, elapsed })
  })

  /** The trailer or the abandonment that ends the transfer; undefined when the message is content. */
  const lastOf = (transfer: Transfer, payload: Uint8Array) => {
    const { end } = transfer
    if (end !== undefined && payload.length <= FileTransfer.maxControlSize) {
      const trailer = FileTransfer.trailerCodec.decode(payload)
      if (Option.isSome(trailer) && trailer.value.end === end) return trailer.value
      const abandonment = FileTransfer.abandonmentCodec.decode(payload)
      if (Option.isSome(abandonment) && abandonment.value.end === end) return abandonment.value
    }
    return Option.contains(transfer.size, transfer.received)
      ? Option.getOrUndefined(FileTransfer.trailerCodec.decode(payload))
      : undefined
  }

  const append = Effect.fnUntraced(function* (transfer: Transfer, payload: Uint8Array) {
    const last = lastOf(transfer, payload)
    if (last !== undefined) {
      return "error" in last ? yield* rejection(`the sender gave up: ${last.error}`) : yield* complete(transfer, last)
    }
    const { name, peer, size } = transfer
    if (Option.isSome(size) && transfer.received + payload.length > size.value) {
      return yield* rejection(
        `more than the announced ${size.value} bytes` +
          (transfer.received === size.value ? ", or no hash after them" : "")
      )
    }
    transfer.hash.update(payload)
    yield* rejected(transfer.file.write(payload))
    transfer.received += payload.length
    yield* options.onEvent({ _tag: "Progress", peer, name, size, received: transfer.received })
    transfer.lastHeard = yield* Clock.monotonicTimeNanos
  })

  const handle = Effect.fnUntraced(function* (message: Incoming) {
    if (Option.isNone(message.reply)) return false
    const reply = message.reply.value
    const transfer = transfers.get(reply)
    if (transfer !== undefined) {
      yield* append(transfer, message.payload).pipe(Effect.catchTag("Rejected", (error) => drop(transfer, error)))
      return true
    }
    if (over.has(reply)) return true
    const header = FileTransfer.headerCodec.decode(message.payload)
    if (Option.isNone(header)) return false
    yield* begin(message, reply, header.value)
    return true
  })

  const dropWhere = (condition: (transfer: Transfer) => boolean, detail: string) =>
    Effect.forEach(Array.from(transfers.values()).filter(condition), (transfer) => drop(transfer, rejection(detail)), {
      discard: true
    })

  yield* Effect.sleep(Duration.millis(Math.max(10, Duration.toMillis(stallTimeout) / 4))).pipe(
    Effect.andThen(Clock.monotonicTimeNanos),
    Effect.flatMap((now) =>
      lock.withPermits(1)(
        Effect.suspend(() =>
          dropWhere(
            (transfer) => now - transfer.lastHeard >= stallNanos,
            `nothing arrived for ${Format.duration(stallTimeout)}`
          )
        )
      )
    ),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    // An interruption must not leave half a step behind, such as a reserved name.
    handle: (message) => Effect.uninterruptible(lock.withPermits(1)(handle(message))),
    forget: (peer) =>
      lock.withPermits(1)(
        Effect.suspend(() => dropWhere((transfer) => `${transfer.peer}` === `${peer}`, "the sender went away"))
      ),
    answered: FiberSet.awaitEmpty(answers)
  }
})
