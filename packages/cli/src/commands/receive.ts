/**
 * The command `qp2p receive`: receives files and messages.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Endpoint from "@qp2p/core/Endpoint"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import * as AllowList from "../AllowList.ts"
import { CommandFailed, exitCodes, exitCodesHelp, fromError } from "../Failure.ts"
import type * as FileLimits from "../FileLimits.ts"
import * as FileLog from "../FileLog.ts"
import * as FileReceiver from "../FileReceiver.ts"
import * as FileStore from "../FileStore.ts"
import * as Flags from "../Flags.ts"
import * as Format from "../Format.ts"
import * as nameResolver from "../internal/nameResolver.ts"
import * as PeerGroup from "../internal/PeerGroup.ts"
import * as Replies from "../internal/Replies.ts"
import * as LimitFlags from "../LimitFlags.ts"
import * as OnSignal from "../OnSignal.ts"
import * as OutDirectory from "../OutDirectory.ts"
import * as OwnAddress from "../OwnAddress.ts"
import * as OwnIdentity from "../OwnIdentity.ts"
import * as PartialFiles from "../PartialFiles.ts"
import * as PeerFlags from "../PeerFlags.ts"
import * as PortForwarding from "../PortForwarding.ts"

/**
 * The arguments of `run`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ReceiveOptions {
  /** The peers to join through. */
  readonly contacts: ReadonlyArray<PeerAddress>
  /** The directory for received files, or `-` for standard output. */
  readonly out: string
  /** Whether to end after the first file or message. Standard output takes one file, so it always ends after that. */
  readonly once: boolean
  /** What is taken from peers; by default `FileLimits.defaults`. */
  readonly limits?: FileLimits.Input | undefined
}

/** The value of `--out` for standard output: one file goes there, and all messages go to standard error. */
const toOutput = "-"

/**
 * Receives on the given endpoint: without end, or until the first file or message with `once`, or until the first file
 * for standard output.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (
  options: ReceiveOptions,
  log: FileLog.FileLog
): Effect.fn.Return<
  void,
  CommandFailed,
  Endpoint.Endpoint | Stdio.Stdio | FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const endpoint = yield* Endpoint.Endpoint
  const first = yield* Deferred.make<void, CommandFailed>()
  const gone = yield* Deferred.make<void>()
  const piped = options.out === toOutput
  const replies = yield* Replies.make
  if (!piped) {
    yield* PartialFiles.cleanTelling(options.out, ({ name, size }) =>
      log.warn(`removed ${name} (${Format.bytes(size)}), which a receiver left behind in ${options.out}`)
    )
  }

  const files = yield* FileReceiver.make({
    ...options.limits,
    directory: Option.some(options.out),
    ...(piped ? { store: FileStore.standardOutput, maxTransfers: 1 } : {}),
    onEvent: (event) =>
      Effect.andThen(
        log.onEvent(event),
        event._tag === "Received"
          ? Deferred.succeed(first, undefined)
          : event._tag === "Failed"
            ? Deferred.fail(
                first,
                new CommandFailed({ detail: `${event.name} was not received`, exitCode: exitCodes.failed })
              )
            : Effect.void
      )
  })

  const onMessage = Effect.flatMap(
    endpoint.nextMessage,
    Effect.fnUntraced(function* (message) {
      if (yield* files.handle(message)) return
      const { payload, peer: address, peerId } = message
      yield* log.say(`${Format.peer(peerId, address)}: ${Format.message(payload)}`)
      if (Option.isSome(message.reply)) {
        const reply = message.reply.value
        yield* replies.end(reply, PeerGroup.networkOf(address), reply.finish, { matters: true })
      }
      if (!piped) yield* Deferred.succeed(first, undefined)
    })
  )
  const onDisconnection = Effect.flatMap(
    endpoint.nextDisconnection,
    Effect.fnUntraced(function* ({ peerId }) {
      if (Option.isSome(yield* endpoint.connectionId(peerId))) return
      yield* files.forget(peerId)
      if (yield* Deferred.isDone(first)) yield* Deferred.succeed(gone, undefined)
    })
  )

  yield* Effect.forEach(Format.localAddresses(endpoint), log.say, { discard: true })
  yield* PortForwarding.tell(endpoint.portMapping, log.say)
  yield* log.say(Format.publicAddress(endpoint, { contacts: options.contacts, external: false }))
  yield* OwnAddress.tell(endpoint, log.say)

  const serve = Effect.all(
    [Effect.forever(onMessage), Effect.forever(onDisconnection), Effect.forever(endpoint.nextConnection)],
    { concurrency: "unbounded" }
  ).pipe(Effect.mapError(fromError), Effect.andThen(Effect.never))

  if (!options.once && !piped) return yield* serve

  const finished = Effect.gen(function* () {
    const outcome = yield* Effect.exit(Deferred.await(first))
    yield* files.answered
    yield* replies.done
    // Closing at once could drop the acknowledgement that the sender waits for.
    yield* Effect.timeoutOption(Deferred.await(gone), "2 seconds")
    return yield* outcome
  })
  yield* Effect.raceFirst(finished, serve)
})

/**
 * The command `receive`.
 *
 * @stability unstable
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make(
  "receive",
  {
    listen: Flags.listen,
    out: Flags.outDirectory.pipe(
      Flag.withDescription(
        "Directory for received files, created when missing; or - to write one file to standard output, and end"
      )
    ),
    once: Flag.Boolean("once").pipe(
      Flag.withDescription("End after the first file or message: exit code 0 when it arrived, 1 when it did not"),
      Flag.withDefault(false)
    ),
    contacts: PeerFlags.contacts,
    identity: PeerFlags.identity,
    allow: PeerFlags.allow,
    ...PortForwarding.flags,
    idleTimeout: Flags.idleTimeout,
    keepAlive: Flags.keepAlive,
    ...LimitFlags.flags
  },
  Effect.fnUntraced(function* (input) {
    const piped = input.out === toOutput
    if (!input.once && !piped) yield* OnSignal.endsWell
    else yield* OnSignal.outputIs(piped ? "Content" : "OutlivesReader")
    if (!piped) yield* OutDirectory.ensure(input.out)
    yield* Effect.gen(function* () {
      const log = yield* FileLog.make({ quiet: piped })
      const layer = Endpoint.layer({
        localAddress: input.listen,
        contacts: input.contacts,
        identity: OwnIdentity.fromFlag(input.identity),
        // Little waits for the disk, and no message needs to be larger than a chunk of a file.
        config: {
          ...Flags.timeouts(input),
          ...PortForwarding.config(input),
          messageBufferBytes: 16 * 1024 * 1024,
          maxMessageSize: 1024 * 1024
        }
      }).pipe(
        Layer.provide([
          QuicheTransport.layer(),
          nameResolver.layer,
          PortForwarding.layer(input),
          AllowList.layer(input.allow, log.refused)
        ])
      )
      yield* Effect.provide(run({ ...input, limits: LimitFlags.limits(input) }, log), layer)
    }).pipe(Effect.scoped, Effect.mapError(PortForwarding.explain))
  })
).pipe(
  Command.validate((input) =>
    Effect.andThen(
      Effect.andThen(PortForwarding.validate(input), PeerFlags.validate(input)),
      LimitFlags.validate(input, input.out === toOutput ? "StandardOutput" : "Directory")
    )
  ),
  Command.withShortDescription("Receive files and messages"),
  Command.withDescription(
    "Receive files and text messages from peers that run qp2p send. A file appears under its name only when its " +
      "SHA-256 is right; a name that is taken gets a number, nothing is overwritten. With --out - the content goes to " +
      "standard output as it comes, and only the exit code says whether the SHA-256 was right. Partial files that killed " +
      "receivers left behind in the directory are removed. The line peer ID@host:port is what senders dial; with --identity the " +
      "id is the same after a restart, and with --allow only the listed peers get in. One peer has 4 files on the way at " +
      "most, one network 8, all together 16; --max-size, --max-files, --keep-free and --min-rate bound what they bring. Runs " +
      `until Ctrl-C, SIGTERM or SIGHUP, or until the first file or message with --once.\n\n${exitCodesHelp}`
  ),
  Command.withExamples([
    { command: "qp2p receive --listen 0.0.0.0:4433 --out inbox", description: "Receive until Ctrl-C" },
    {
      command: "qp2p receive --listen 0.0.0.0:4433 --out inbox --identity inbox.key --allow ID",
      description: "From one peer, and as the same peer each time"
    },
    { command: "qp2p receive --listen 127.0.0.1:4433 --out . --once", description: "Receive one file and end" },
    { command: "qp2p receive --listen 0.0.0.0:4433 --out - | tar x", description: "Unpack what comes" },
    {
      command: "qp2p receive --listen 0.0.0.0:4433 --out inbox --forward-port",
      description: "At home, behind a router"
    }
  ])
)
