/**
 * The command `qp2p send`: sends one message or one file to one peer.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Connection } from "@qp2p/core/Connection"
import * as Endpoint from "@qp2p/core/Endpoint"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as Stdio from "effect/Stdio"
import { describeFileError, exitCodesHelp, fromError, type CommandFailed } from "../Failure.ts"
import { safeName } from "../FileName.ts"
import * as FileSource from "../FileSource.ts"
import * as FileTransfer from "../FileTransfer.ts"
import * as Flags from "../Flags.ts"
import * as Format from "../Format.ts"
import * as nameResolver from "../internal/nameResolver.ts"
import * as OnSignal from "../OnSignal.ts"
import * as OwnIdentity from "../OwnIdentity.ts"
import * as PeerFailure from "../PeerFailure.ts"
import * as PeerFlags from "../PeerFlags.ts"
import * as Progress from "../Progress.ts"

/** The peer in full, also when the user gave an address alone: the text pins it. */
const nameOf = ({ peerId, remoteAddress }: Connection) => Format.peer(peerId, remoteAddress)

/**
 * Sends a text and waits until the peer has acknowledged it.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const sendText = Effect.fnUntraced(function* (
  peer: PeerAddress,
  text: string,
  priority: number
): Effect.fn.Return<void, CommandFailed, Endpoint.Endpoint> {
  const endpoint = yield* Endpoint.Endpoint
  const payload = new TextEncoder().encode(text)
  const [elapsed, receiver] = yield* endpoint.connectTo(peer).pipe(
    Effect.tap((connection) => connection.send(payload, { priority })),
    Effect.map(nameOf),
    Effect.timed,
    Effect.mapError(PeerFailure.explain(endpoint.peerId))
  )
  yield* Console.log(`sent ${Format.bytes(payload.length)} to ${receiver}, confirmed in ${Format.duration(elapsed)}`)
})

/**
 * Sends a file and waits until the peer has confirmed its hash.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const sendFile = Effect.fnUntraced(function* (
  peer: PeerAddress,
  path: string,
  priority: number
): Effect.fn.Return<void, CommandFailed, Endpoint.Endpoint | FileSystem.FileSystem | Path.Path | Stdio.Stdio> {
  const endpoint = yield* Endpoint.Endpoint
  const stdio = yield* Effect.context<Stdio.Stdio>()
  let progress: Progress.Progress | undefined
  let receiver = ""

  const sent = yield* FileTransfer.send({
    path,
    open: Effect.flatMap(endpoint.connectTo(peer), (connection) => {
      receiver = nameOf(connection)
      return connection.openBi({ priority })
    }),
    onStart: Effect.fnUntraced(function* ({ name, size }) {
      yield* Console.log(
        `sending ${safeName(name)} (${size === undefined ? "size unknown" : Format.bytes(size)}) to ${receiver}`
      )
      progress = yield* Progress.make(safeName(name), Option.fromUndefinedOr(size)).pipe(Effect.provideContext(stdio))
    }),
    onProgress: (done) => progress?.update(done) ?? Effect.void
  }).pipe(
    Effect.onExit((exit) => (exit._tag === "Success" ? progress?.clear : progress?.end) ?? Effect.void),
    Effect.mapError(PeerFailure.explain(endpoint.peerId))
  )

  const took = Format.took(sent.size, sent.elapsed)
  yield* Console.log(`sent ${safeName(sent.name)} (${Format.bytes(sent.size)}) ${took}, confirmed`)
  yield* Console.log(`sha256 ${sent.sha256}`)
})

/** Checks a path on the command line before the peer is dialled. */
const pathProblem = Effect.fnUntraced(function* (path: string) {
  if (FileSource.isStandardInput(path)) return undefined
  if (path === "") return "--file needs a path"
  if (path.includes("\0")) return "a path with a NUL character names no file"
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.result(fs.stat(path))
  if (info._tag === "Failure") return describeFileError(`cannot read ${path}`, info.failure)
  return info.success.type === "Directory" ? `cannot send ${path}: it is a directory` : undefined
})

/**
 * The command `send`.
 *
 * @stability unstable
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make(
  "send",
  {
    peer: PeerFlags.peer,
    text: Argument.String("text").pipe(
      Argument.withDescription("The message; one that begins with a dash is given after --"),
      Argument.optional
    ),
    file: Flag.String("file").pipe(
      Flag.withMetavar("PATH"),
      Flag.withDescription(
        "Send this file instead of a message, or standard input with -; the peer must run qp2p receive, or node with " +
          "--out (default: none)"
      ),
      Flag.optional
    ),
    priority: Flags.wholeNumber("priority", {
      description: "Higher goes first (default 0)",
      min: -1_000_000,
      max: 1_000_000
    }).pipe(Flag.withDefault(0)),
    timeout: Flags.duration("timeout", "Give up when the peer does not answer for this long (default 10s)").pipe(
      Flag.withDefault(Duration.seconds(10))
    ),
    identity: PeerFlags.identity
  },
  Effect.fnUntraced(function* (input) {
    // The transfer is the work, whether or not its report is read.
    yield* OnSignal.outputIs("OutlivesReader")
    const layer = Endpoint.layerClient({
      localAddress: yield* PeerFlags.anyAddressFor([input.peer]),
      identity: OwnIdentity.fromFlag(input.identity),
      // QUIC retransmits within a dial, so one dial for the whole time is enough.
      config: { handshakeTimeout: input.timeout, retryDuration: 0 }
    }).pipe(Layer.provide(QuicheTransport.layer()))
    const send = Option.isSome(input.file)
      ? sendFile(input.peer, input.file.value, input.priority)
      : sendText(
          input.peer,
          Option.getOrElse(input.text, () => ""),
          input.priority
        )
    yield* send.pipe(Effect.provide(layer), Effect.mapError(fromError))
  }, Effect.provide(nameResolver.layer))
).pipe(
  Command.validate(
    Effect.fnUntraced(function* ({ file, text }) {
      const fail = (message: string) => Effect.fail(new CliError.ValidationError({ message }))
      if (Option.isSome(file) && Option.isSome(text)) return yield* fail("give a text or --file, not both")
      if (Option.isNone(file) && Option.isNone(text)) return yield* fail("give a text, or a file with --file")
      if (Option.contains(text, "")) return yield* fail("an empty message cannot be sent")
      const problem = Option.isSome(file) ? yield* pathProblem(file.value) : undefined
      if (problem !== undefined) return yield* fail(problem)
    })
  ),
  Command.withShortDescription("Send a message or a file to a peer"),
  Command.withDescription(
    "Send a text message or a file to a peer and wait until it is confirmed. A file is confirmed when the receiver " +
      "has stored it and found the same SHA-256. To ID@host:port nothing is sent if another peer answers there; with " +
      "host:port alone, the output says which peer it was. A file that grows or becomes shorter in the meantime is not " +
      `taken. A text that begins with a dash is given after --.\n\n${exitCodesHelp}`
  ),
  Command.withExamples([
    { command: 'qp2p send 127.0.0.1:4433 "hello there"', description: "Send a message" },
    { command: "qp2p send ID@peer.example:4433 hello", description: "Send a message to this peer, and to no other" },
    {
      command: "qp2p send ID@192.0.2.1:4433 --file photo.jpg --identity me.key",
      description: "Send a file to a peer that lets in those that it knows"
    },
    { command: "qp2p send [::1]:4433 --file photo.jpg", description: "Send a file" },
    { command: "tar c photos | qp2p send [::1]:4433 --file -", description: "Send what another command writes" },
    { command: "qp2p send 127.0.0.1:4433 -- --not-a-flag", description: "Send a text that starts with a dash" }
  ])
)
