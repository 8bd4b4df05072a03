/**
 * The receiving side of `FileTransfer`, whose messages `FileMessages` describes.
 *
 * The messages of all streams and peers come from one queue, and one caller handles them in that order. A message is
 * written to disk before the next one is taken. When the disk is slower than the network, the queue fills, and flow
 * control stops the senders.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { PeerId } from "@qp2p/core/PeerId"
import type { SendStream } from "@qp2p/core/SendStream"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { describeFileError, fileProblem } from "./Failure.ts"
import type { FileEvent } from "./FileEvent.ts"
import * as FileLimits from "./FileLimits.ts"
import { safeName } from "./FileName.ts"
import * as FileStore from "./FileStore.ts"
import * as FileMessages from "./FileMessages.ts"
import * as IncomingFile from "./internal/IncomingFile.ts"
import * as Pace from "./internal/Pace.ts"
import * as PeerGroup from "./internal/PeerGroup.ts"
import * as Rejected from "./internal/Rejected.ts"
import * as Replies from "./internal/Replies.ts"
import * as TransferSlots from "./internal/TransferSlots.ts"

/**
 * What happens to an incoming file: see `FileEvent`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type { FileEvent } from "./FileEvent.ts"

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
  /** The key of the sender. */
  readonly peerId: PeerId
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
  /** Drops every open transfer with a peer whose last connection has ended. */
  readonly forget: (peer: PeerId) => Effect.Effect<void>
  /** Waits until every answer was acknowledged or given up. */
  readonly answered: Effect.Effect<void>
}

/**
 * Options of a file receiver: where files go, and its limits.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options extends FileLimits.Input {
  /** The directory for received files. Without one every file is refused. */
  readonly directory: Option.Option<string>
  /** The destination of files in place of `directory`, such as standard output. */
  readonly store?: FileStore.FileStore | undefined
  /** Called with each event. The last event of one file may come while another event is handled. */
  readonly onEvent: (event: FileEvent) => Effect.Effect<void>
}

interface Transfer {
  readonly peer: NetAddress.InetAddress
  readonly group: PeerGroup.PeerGroup
  readonly reply: SendStream
  readonly name: string
  readonly size: Option.Option<number>
  readonly content: IncomingFile.IncomingFile
  readonly file: FileStore.OpenFile
  readonly scope: Scope.Closeable
  readonly pace: Pace.Pace
  /** All content has arrived and has the right hash. */
  isComplete: boolean
}

const senderOf = ({ group, peer }: Transfer) => ({ peer, peerId: group.peer })

/**
 * A receiver for the lifetime of the scope. When the scope closes, open transfers are dropped and their partial files
 * removed.
 *
 * The work for a message does not depend on what other peers have sent, and a complete file is put in place beside the
 * messages that follow: a peer with many files does not delay the others.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<FileReceiver, never, FileSystem.FileSystem | Path.Path | Scope.Scope> {
  const limits = FileLimits.make(options)
  const store =
    options.store ??
    (Option.isSome(options.directory) ? yield* FileStore.directory(options.directory.value, limits) : undefined)
  const parentScope = yield* Effect.scope
  const stallTimeout = Duration.fromInputUnsafe(limits.stallTimeout)
  const paceLimits = { stallTimeout, minRate: limits.minRate }

  // All messages of a stream carry the same `reply` object: nothing else identifies the stream.
  const transfers = new Map<SendStream, Transfer>()
  // Streams whose transfer has ended: later messages on them are ignored.
  const over = new WeakSet<SendStream>()
  const answers = yield* Replies.make
  const lock = yield* Semaphore.make(1)

  const senderTime = Pace.makeSenderTime()

  const answer = (reply: SendStream, group: PeerGroup.PeerGroup, result: FileMessages.Result) =>
    Effect.suspend(() => {
      over.add(reply)
      // A peer that acknowledges nothing must not keep others from hearing that their file has arrived.
      return answers.end(
        reply,
        group.network,
        reply.sendMessage(FileMessages.resultCodec.encode(result), { fin: true }),
        { matters: result.ok }
      )
    })

  const rejected = Effect.mapError(
    (error: PlatformError.PlatformError) =>
      new Rejected.Rejected({
        detail: describeFileError(`cannot write to ${store?.name}`, error),
        told: `the receiver cannot store it: ${fileProblem(error)}`
      })
  )

  const drop = Effect.fnUntraced(function* (transfer: Transfer, { detail, told }: Rejected.Rejected) {
    transfers.delete(transfer.reply)
    yield* Scope.close(transfer.scope, Exit.void)
    yield* answer(transfer.reply, transfer.group, { ok: false, error: told })
    yield* options.onEvent({ _tag: "Failed", ...senderOf(transfer), name: transfer.name, detail })
  })

  /** Makes room for a transfer of the peer, or says why there is none. */
  const makeRoom = Effect.fnUntraced(function* (group: PeerGroup.PeerGroup) {
    const now = yield* senderTime.now
    const open = Array.from(transfers.values(), (transfer) => ({
      transfer,
      group: transfer.group,
      rate: transfer.pace.rate(now),
      isComplete: transfer.isComplete
    }))
    const admission = TransferSlots.admit(open, group, limits)
    if (admission._tag === "Refused") return yield* Rejected.make(admission.detail)
    if (admission._tag === "Displaces") {
      yield* drop(admission.victim.transfer, Rejected.make("another peer needed its place"))
    }
  })

  const admit = Effect.fnUntraced(function* (group: PeerGroup.PeerGroup, header: FileMessages.Header) {
    if (store === undefined) return yield* Rejected.make("this node takes no files")
    if (header.size === undefined && header.end === undefined) {
      return yield* Rejected.make("nothing announces where the file ends")
    }
    if (header.size !== undefined && header.size > limits.maxSize) return yield* IncomingFile.tooLarge(limits.maxSize)
    yield* makeRoom(group)
    const noRoom = yield* store.room?.forFile(Option.fromUndefinedOr(header.size), transfers.size) ?? Effect.undefined
    if (noRoom !== undefined) return yield* new Rejected.Rejected(noRoom)
    return store
  })

  const begin = Effect.fnUntraced(function* (message: Incoming, reply: SendStream, header: FileMessages.Header) {
    const { peer, peerId } = message
    const name = safeName(header.name)
    const group = PeerGroup.make(peerId, peer)
    const refuse = (_tag: "Refused" | "Failed", { detail, told }: Rejected.Rejected) =>
      Effect.andThen(
        answer(reply, group, { ok: false, error: told }),
        options.onEvent({ _tag, peer, peerId, name, detail })
      )
    const admitted = yield* Effect.result(admit(group, header))
    if (admitted._tag === "Failure") return yield* refuse("Refused", admitted.failure)
    const { open, room } = admitted.success
    const scope = yield* Scope.fork(parentScope)
    const opened = yield* open(name).pipe(Scope.provide(scope), rejected, Effect.result)
    if (opened._tag === "Failure") {
      yield* Scope.close(scope, Exit.void)
      return yield* refuse("Failed", opened.failure)
    }
    const file = opened.success
    const now = yield* senderTime.now
    const size = Option.fromUndefinedOr(header.size)
    const write = Effect.fnUntraced(function* (content: Uint8Array) {
      const noRoom = yield* room?.forBytes(content.length) ?? Effect.undefined
      if (noRoom !== undefined) return yield* new Rejected.Rejected(noRoom)
      yield* rejected(file.write(content))
    })
    const content = IncomingFile.make(header, { maxSize: limits.maxSize, write })
    transfers.set(reply, {
      peer,
      group,
      reply,
      name,
      size,
      content,
      file,
      scope,
      pace: Pace.make(now, content.received, paceLimits),
      isComplete: false
    })
    yield* options.onEvent({ _tag: "Started", peer, peerId, name, size })
  })

  /** Gives a complete file its name. The transfer keeps its place until then. */
  const finish = Effect.fnUntraced(
    function* (transfer: Transfer, sha256: string, placed: Deferred.Deferred<void>) {
      const { group, name, reply } = transfer
      const path = yield* rejected(transfer.file.commit).pipe(Effect.ensuring(Deferred.succeed(placed, undefined)))
      const elapsed = transfer.pace.elapsed(yield* senderTime.now)
      transfers.delete(reply)
      yield* Scope.close(transfer.scope, Exit.void)
      yield* store?.room?.added ?? Effect.void
      yield* answer(reply, group, { ok: true, sha256 })
      const size = transfer.content.received()
      yield* options.onEvent({ _tag: "Received", ...senderOf(transfer), name, size, path, sha256, elapsed })
    },
    (effect, transfer) => Effect.catchTag(effect, "Rejected", (error) => drop(transfer, error))
  )

  const append = Effect.fnUntraced(
    function* (transfer: Transfer, payload: Uint8Array) {
      const { content, name, size } = transfer
      const sha256 = yield* content.take(payload)
      if (Option.isSome(sha256)) {
        transfer.isComplete = true
        const placed = yield* Deferred.make<void>()
        const finishing = yield* answers.run(Effect.uninterruptible(finish(transfer, sha256.value, placed)))
        // When the receiver stops, the file is closed after it has its name.
        return yield* Scope.addFinalizer(
          transfer.scope,
          Effect.raceFirst(Deferred.await(placed), Fiber.await(finishing))
        )
      }
      yield* options.onEvent({ _tag: "Progress", ...senderOf(transfer), name, size, received: content.received() })
      transfer.pace.heard(yield* senderTime.now)
    },
    (effect, transfer) => Effect.catchTag(effect, "Rejected", (error) => drop(transfer, error))
  )

  const handle = Effect.fnUntraced(function* (message: Incoming) {
    if (Option.isNone(message.reply)) return false
    const reply = message.reply.value
    const transfer = transfers.get(reply)
    if (transfer !== undefined) {
      if (!transfer.isComplete) yield* append(transfer, message.payload)
      return true
    }
    if (over.has(reply)) return true
    const header = FileMessages.headerCodec.decode(message.payload)
    if (Option.isNone(header)) return false
    yield* begin(message, reply, header.value)
    return true
  })

  /** Drops the transfers for which there is a reason. */
  const dropFor = (reason: (transfer: Transfer) => string | undefined) =>
    Effect.forEach(
      Array.from(transfers.values()),
      (transfer) => {
        const detail = transfer.isComplete ? undefined : reason(transfer)
        return detail === undefined ? Effect.void : drop(transfer, Rejected.make(detail))
      },
      { discard: true }
    )

  yield* Effect.sleep(Duration.millis(Math.max(10, Duration.toMillis(stallTimeout) / 4))).pipe(
    Effect.andThen(
      lock.withPermits(1)(Effect.flatMap(senderTime.now, (now) => dropFor(({ pace }) => pace.slowness(now))))
    ),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    // An interruption must not leave half a step behind, such as a reserved name.
    handle: (message) => Effect.uninterruptible(lock.withPermits(1)(senderTime.handling(handle(message)))),
    forget: (peer) =>
      lock.withPermits(1)(
        Effect.suspend(() => dropFor(({ group }) => (group.peer === peer ? "the sender went away" : undefined)))
      ),
    answered: answers.done
  }
})
