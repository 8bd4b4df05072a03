/**
 * `qp2p send`: one message or one file to one peer.
 *
 * @since 0.1.0
 */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as QuicheTransport from "@qp2p/core/QuicheTransport"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as Stdio from "effect/Stdio"
import { exitCodesHelp, fromError, type CommandFailed } from "../Failure.ts"
import { safeName } from "../FileName.ts"
import * as FileTransfer from "../FileTransfer.ts"
import * as Flags from "../Flags.ts"
import * as Format from "../Format.ts"
import * as Progress from "../Progress.ts"

/**
 * Sends a text and waits until the peer has it.
 *
 * @category running
 * @since 0.1.0
 */
export const sendText = Effect.fnUntraced(function* (
  peer: NetAddress.InetAddress,
  text: string,
  priority: number
): Effect.fn.Return<void, CommandFailed, Endpoint.Endpoint> {
  const endpoint = yield* Endpoint.Endpoint
  const payload = new TextEncoder().encode(text)
  const [elapsed] = yield* Effect.timed(endpoint.sendMessage(payload, peer, { priority })).pipe(
    Effect.mapError(fromError)
  )
  yield* Console.log(`sent ${Format.bytes(payload.length)} to ${peer}, confirmed in ${Format.duration(elapsed)}`)
})

/**
 * Sends a file and waits until the peer has confirmed its hash.
 *
 * @category running
 * @since 0.1.0
 */
export const sendFile = Effect.fnUntraced(function* (
  peer: NetAddress.InetAddress,
  path: string,
  priority: number
): Effect.fn.Return<void, CommandFailed, Endpoint.Endpoint | FileSystem.FileSystem | Path.Path | Stdio.Stdio> {
  const endpoint = yield* Endpoint.Endpoint
  const stdio = yield* Effect.context<Stdio.Stdio>()
  let progress: Progress.Progress | undefined
  const clear = Effect.suspend(() => progress?.clear ?? Effect.void)

  const sent = yield* FileTransfer.send({
    path,
    open: endpoint.openBidirectionalStream(peer, { priority }),
    onStart: Effect.fnUntraced(function* ({ name, size }) {
      yield* Console.log(`sending ${safeName(name)} (${Format.bytes(size)}) to ${peer}`)
      progress = yield* Progress.make(safeName(name), size).pipe(Effect.provideContext(stdio))
    }),
    onProgress: (done) => progress?.update(done) ?? Effect.void
  }).pipe(Effect.ensuring(clear), Effect.mapError(fromError))

  const rate = Format.throughput(sent.size, sent.elapsed)
  yield* Console.log(
    `sent ${safeName(sent.name)} (${Format.bytes(sent.size)}) in ${Format.duration(sent.elapsed)}, ${rate}, confirmed`
  )
  yield* Console.log(`sha256 ${sent.sha256}`)
})

/**
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make(
  "send",
  {
    peer: Flags.peer,
    text: Argument.String("text").pipe(Argument.withDescription("The message"), Argument.optional),
    file: Flag.File("file", { mustExist: true }).pipe(
      Flag.withMetavar("PATH"),
      Flag.withDescription("Send this file instead of a message; the peer must run qp2p receive, or node with --out"),
      Flag.optional
    ),
    priority: Flag.Int("priority").pipe(
      Flag.withMetavar("NUMBER"),
      Flag.withDescription("Higher goes first, 0 is usual; write a negative one as --priority=-1"),
      Flag.withDefault(0)
    ),
    timeout: Flags.duration("timeout", "Give up when the peer does not answer for this long (default 10s)").pipe(
      Flag.withDefault(Duration.seconds(10))
    )
  },
  Effect.fnUntraced(function* (input) {
    const layer = Endpoint.layerClient({
      localAddress: Flags.anyAddressFor(input.peer),
      // A dial repeats its packets by itself, so one that lasts as long as we want to wait is all it takes.
      config: { handshakeTimeout: input.timeout, retryDuration: 0 }
    }).pipe(Layer.provide(QuicheTransport.layer))
    const send = Option.isSome(input.file)
      ? sendFile(input.peer, input.file.value, input.priority)
      : sendText(
          input.peer,
          Option.getOrElse(input.text, () => ""),
          input.priority
        )
    yield* send.pipe(Effect.provide(layer), Effect.mapError(fromError))
  })
).pipe(
  Command.validate(({ file, text }) => {
    const fail = (message: string) => Effect.fail(new CliError.ValidationError({ message }))
    if (Option.isSome(file) && Option.isSome(text)) return fail("give a text or --file, not both")
    if (Option.isNone(file) && Option.isNone(text)) return fail("give a text, or a file with --file")
    return Option.exists(text, (value) => value === "") ? fail("an empty message cannot be sent") : Effect.void
  }),
  Command.withShortDescription("Send a message or a file to a peer"),
  Command.withDescription(
    "Send a text message or a file to a peer and wait until it is confirmed. A file is confirmed when the receiver " +
      `has stored it and found the same SHA-256.\n\n${exitCodesHelp}`
  ),
  Command.withExamples([
    { command: 'qp2p send 127.0.0.1:4433 "hello there"', description: "Send a message" },
    { command: "qp2p send [::1]:4433 --file photo.jpg", description: "Send a file" },
    { command: "qp2p send 127.0.0.1:4433 -- --not-a-flag", description: "Send a text that starts with a dash" }
  ])
)
