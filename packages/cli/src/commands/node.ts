/**
 * The command `qp2p node`: a peer that sends and prints messages until it is stopped.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Endpoint from "@qp2p/core/Endpoint"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import * as PeerId from "@qp2p/core/PeerId"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as AllowList from "../AllowList.ts"
import * as Contacts from "../Contacts.ts"
import { describeFileError, exitCodesHelp, fromError, oneLine, type CommandFailed } from "../Failure.ts"
import type * as FileLimits from "../FileLimits.ts"
import * as FileLog from "../FileLog.ts"
import * as FileReceiver from "../FileReceiver.ts"
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
import * as Peers from "../Peers.ts"
import * as PortForwarding from "../PortForwarding.ts"
import { longestReason } from "../Printable.ts"

/**
 * The arguments of `run`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface NodeOptions {
  /** The peers to join through. */
  readonly contacts: ReadonlyArray<PeerAddress>
  /** Whether the operator overrode the public address. */
  readonly external: boolean
  /** The directory for received files; without it they are refused. */
  readonly out: Option.Option<string>
  /** What is taken from peers; by default `FileLimits.defaults`. */
  readonly limits?: FileLimits.Input | undefined
}

const encoder = new TextEncoder()
const marco = "marco"
const polo = encoder.encode("polo")

/**
 * Runs a node on the given endpoint, until it is interrupted or the endpoint stops.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (
  options: NodeOptions,
  log: FileLog.FileLog
): Effect.fn.Return<
  never,
  CommandFailed,
  Endpoint.Endpoint | Stdio.Stdio | FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const endpoint = yield* Endpoint.Endpoint
  const stdio = yield* Stdio.Stdio
  const scope = yield* Effect.scope
  const replies = yield* Replies.make
  if (Option.isSome(options.out)) {
    const directory = options.out.value
    yield* PartialFiles.cleanTelling(directory, ({ name, size }) =>
      log.warn(`removed ${name} (${Format.bytes(size)}), which a receiver left behind in ${directory}`)
    )
  }
  const files = yield* FileReceiver.make({ ...options.limits, directory: options.out, onEvent: log.onEvent })
  const peers = yield* Peers.make(endpoint, ({ address, count, peer, reason }) => {
    const what = count === 1 ? "a message" : `${count} messages`
    return log.warnOf(address, `${PeerId.short(peer)} did not get ${what}: ${oneLine(reason, longestReason)}`)
  })

  // Prints the first connection with a peer, and not the further ones that a peer that pings, or a contact that
  // verifies this endpoint, opens and closes beside it. Different kinds of events come from different queues and may
  // overtake each other, so an event is only a reason to look: the endpoint knows the current state.
  const arrived = Effect.fnUntraced(function* (peer: PeerId.PeerId, address: NetAddress.InetAddress, suffix = "") {
    const name = Format.peer(peer, address)
    if (Option.isNone(yield* endpoint.connectionId(peer))) return yield* Effect.logDebug(`${name} came, and is gone`)
    if (peers.has(peer)) return yield* Effect.logDebug(`${name} connected (another connection with it is open)`)
    yield* peers.add(peer, address)
    yield* log.note(address, `${name} connected${suffix}`)
  })

  const contacts = yield* Contacts.make(endpoint, options.contacts, {
    onConnected: ({ peerId, remoteAddress }, before) =>
      arrived(
        peerId,
        remoteAddress,
        Option.match(before, {
          onNone: () => " (contact)",
          onSome: (id) => ` (contact, which was ${PeerId.short(id)} before)`
        })
      ),
    onProblem: log.warn
  })

  const onConnection = Effect.flatMap(endpoint.nextConnection, ({ peerId, remoteAddress }) =>
    Effect.andThen(arrived(peerId, remoteAddress), contacts.found(peerId, [remoteAddress]))
  )

  const onDisconnection = Effect.flatMap(
    endpoint.nextDisconnection,
    Effect.fnUntraced(function* ({ dialledAddress, peer: address, peerId, reason }) {
      const line = `${PeerId.short(peerId)} disconnected: ${oneLine(reason.message, longestReason)}`
      if (Option.isSome(yield* endpoint.connectionId(peerId))) {
        yield* peers.add(peerId, address)
        const orderly = reason._tag === "LocallyClosed" || reason._tag === "ApplicationClosed"
        const still = `${line} (another connection with it is open)`
        return yield* orderly ? Effect.logDebug(still) : log.note(address, still)
      }
      // A peer that is not there has come and gone unnoticed, or this was the second to last of its connections and
      // both have ended.
      yield* peers.has(peerId) ? log.note(address, line) : Effect.logDebug(line)
      yield* peers.remove(peerId)
      yield* files.forget(peerId)
      yield* contacts.lost(peerId, [address, ...Option.toArray(dialledAddress)])
    })
  )

  const onMessage = Effect.flatMap(
    endpoint.nextMessage,
    Effect.fnUntraced(function* (message) {
      if (yield* files.handle(message)) return
      const { payload, peer: address, peerId } = message
      yield* arrived(peerId, address)
      yield* contacts.found(peerId, [address])
      yield* log.say(`${PeerId.short(peerId)}: ${Format.message(payload)}`)
      const called = Option.exists(Format.asText(payload), (text) => text.trim().toLowerCase() === marco)
      if (Option.isSome(message.reply)) {
        // The peer opened a stream for its question: the answer goes there, and this half is closed in any case.
        const reply = message.reply.value
        const answer = called ? reply.sendMessage(polo, { fin: true }) : reply.finish
        yield* replies.end(reply, PeerGroup.networkOf(address), answer, { matters: true })
      } else if (called) {
        yield* peers.tell(peerId, polo)
      }
    })
  )

  const onLine = Effect.fnUntraced(function* (line: string) {
    const text = line.trimEnd()
    if (text === "") return
    if ((yield* peers.broadcast(encoder.encode(text))) === 0) yield* log.warn("no peer is connected: not sent")
  })

  yield* Effect.forEach(Format.localAddresses(endpoint), log.say, { discard: true })
  yield* PortForwarding.tell(endpoint.portMapping, log.say)
  yield* log.say(Format.publicAddress(endpoint, options))
  yield* OwnAddress.tell(endpoint, log.say)
  // A contact that has answered is connected: that dial finds the connection.
  const answered = Option.toArray(endpoint.bootstrapContact)
  yield* Effect.forEach(answered.length > 0 ? answered : options.contacts, contacts.dial, { discard: true })

  yield* stdio.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach(onLine),
    Effect.catch((error) => log.warn(describeFileError("cannot read standard input", error))),
    Effect.forkIn(scope)
  )
  return yield* Effect.all([Effect.forever(onConnection), Effect.forever(onDisconnection), Effect.forever(onMessage)], {
    concurrency: "unbounded"
  }).pipe(Effect.mapError(fromError), Effect.andThen(Effect.never))
})

/**
 * The command `node`.
 *
 * @stability unstable
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make(
  "node",
  {
    listen: Flags.listen.pipe(
      Flag.withDescription(
        "Address and UDP port to listen on; port 0 lets the system choose one (default 0.0.0.0:0, or [::]:0 when the " +
          "first --contact is an IPv6 address)"
      ),
      Flag.optional
    ),
    contacts: PeerFlags.contacts,
    identity: PeerFlags.identity,
    allow: PeerFlags.allow,
    externalIp: Flags.externalIp,
    externalPort: Flags.externalPort,
    ...PortForwarding.flags,
    idleTimeout: Flags.idleTimeout,
    keepAlive: Flags.keepAlive,
    out: Flags.outDirectory.pipe(
      Flag.withDescription("Accept files from peers into this directory (default: none, they are refused)"),
      Flag.optional
    ),
    ...LimitFlags.flags
  },
  Effect.fnUntraced(function* (input) {
    yield* OnSignal.endsWell
    if (Option.isSome(input.out)) yield* OutDirectory.ensure(input.out.value)
    // Giving up on a dead contact takes a while.
    if (input.contacts.length > 0) yield* Console.log(`joining through ${input.contacts.join(", ")}`)
    const external = Option.isSome(input.externalIp) || Option.isSome(input.externalPort)
    const limits = LimitFlags.limits(input)
    return yield* Effect.gen(function* () {
      const log = yield* FileLog.make()
      const localAddress = Option.isSome(input.listen)
        ? input.listen.value
        : yield* PeerFlags.anyAddressFor(input.contacts)
      const layer = Endpoint.layer({
        localAddress,
        contacts: input.contacts,
        identity: OwnIdentity.fromFlag(input.identity),
        config: {
          ...Flags.timeouts(input),
          ...PortForwarding.config(input),
          // `redialSchedule` decides when a lost contact is dialled again.
          retryDuration: 0,
          ...(Option.isSome(input.externalIp) ? { externalIp: input.externalIp.value } : {}),
          ...(Option.isSome(input.externalPort) ? { externalPort: input.externalPort.value } : {})
        }
      }).pipe(
        Layer.provide([QuicheTransport.layer(), PortForwarding.layer(input), AllowList.layer(input.allow, log.refused)])
      )
      return yield* Effect.provide(run({ contacts: input.contacts, external, out: input.out, limits }, log), layer)
    }).pipe(Effect.scoped, Effect.provide(nameResolver.layer), Effect.mapError(PortForwarding.explain))
  })
).pipe(
  Command.validate((input) =>
    Option.contains(input.out, "-")
      ? Effect.fail(new CliError.ValidationError({ message: "--out - is for qp2p receive: a node has more to print" }))
      : Effect.andThen(
          Effect.andThen(PortForwarding.validate(input), PeerFlags.validate(input)),
          LimitFlags.validate(input, Option.isSome(input.out) ? "Directory" : "Nowhere")
        )
  ),
  Command.withShortDescription("Run a peer that talks to others until Ctrl-C"),
  Command.withDescription(
    "Run a peer. Prints its local and public address, the text by which others dial it (peer ID@host:port), who connects " +
      "and disconnects, and every message with the beginning of its sender's id. Each line of standard input goes to every " +
      "connected peer. Answers the message marco with polo. A contact that is lost is dialled again until it is back. " +
      "With --identity it is the same peer after a restart; with --allow it is closed to all others. With --forward-port " +
      `the router forwards a port while the node runs; what becomes of it is printed too. Ends on Ctrl-C, SIGTERM or SIGHUP with exit code 0.\n\n${exitCodesHelp}`
  ),
  Command.withExamples([
    {
      command: "qp2p node --listen 0.0.0.0:4433 --identity node.key",
      description: "Start the first node of a network, with a key that it keeps"
    },
    {
      command: 'qp2p node --listen 0.0.0.0:4433 --allow "$(qp2p id --identity friend.key)"',
      description: "Let in one peer"
    },
    {
      command: "qp2p node --contact ID@192.0.2.1:4433 --contact 192.0.2.2:4433",
      description: "Join through whichever contact answers first; the first has to be that peer"
    },
    { command: "qp2p node --listen 0.0.0.0:4433 --forward-port", description: "At home, behind a router" },
    { command: 'qp2p node --listen "[::]:4433" --out inbox', description: "Also accept files, into ./inbox" }
  ])
)
