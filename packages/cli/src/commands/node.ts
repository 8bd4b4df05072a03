/**
 * The command `qp2p node`: a peer that sends and prints messages until it is stopped.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { ConnectionId } from "@qp2p/core/ConnectionId"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as PeerAddress from "@qp2p/core/PeerAddress"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { describeFileError, exitCodesHelp, fromError, oneLine, type CommandFailed } from "../Failure.ts"
import type * as FileLimits from "../FileLimits.ts"
import * as FileLog from "../FileLog.ts"
import * as FileReceiver from "../FileReceiver.ts"
import * as Flags from "../Flags.ts"
import * as Format from "../Format.ts"
import * as LimitFlags from "../LimitFlags.ts"
import * as OnSignal from "../OnSignal.ts"
import * as OutDirectory from "../OutDirectory.ts"
import * as PartialFiles from "../PartialFiles.ts"
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
  readonly contacts: ReadonlyArray<NetAddress.InetAddress>
  /** Whether the operator overrode the public address. */
  readonly external: boolean
  /** The directory for received files; without it they are refused. */
  readonly out: Option.Option<string>
  /** What is taken from peers; by default `FileLimits.defaults`. */
  readonly limits?: FileLimits.Input | undefined
}

/**
 * The pauses between attempts to reach a lost contact.
 *
 * @stability unstable
 * @category schedules
 * @since 0.1.0
 */
export const redialSchedule = Schedule.exponential("500 millis", 1.5).pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(10)))),
  Schedule.jittered
)

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
  options: NodeOptions
): Effect.fn.Return<
  never,
  CommandFailed,
  Endpoint.Endpoint | Stdio.Stdio | FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const endpoint = yield* Endpoint.Endpoint
  const stdio = yield* Stdio.Stdio
  const log = yield* FileLog.make()
  if (Option.isSome(options.out)) {
    const directory = options.out.value
    yield* PartialFiles.cleanTelling(directory, ({ name, size }) =>
      log.warn(`removed ${name} (${Format.bytes(size)}), which a receiver left behind in ${directory}`)
    )
  }
  const files = yield* FileReceiver.make({ ...options.limits, directory: options.out, onEvent: log.onEvent })
  const peers = yield* Peers.make(endpoint, (peer, reason) =>
    log.warnOf(peer, `${peer} did not get a message: ${oneLine(reason, longestReason)}`)
  )
  const redials = yield* FiberMap.make<string>()
  const isContact = (peer: NetAddress.InetAddress) => options.contacts.some((contact) => `${contact}` === `${peer}`)

  // Different kinds of events come from different queues and may overtake each other, so an event is only a reason to
  // look: the endpoint knows the current state.
  const isConnected = (peer: NetAddress.InetAddress) => Effect.map(endpoint.connectionId(peer), Option.isSome)

  /** The peer at an address, which is added to the peers. */
  const peerAt = Effect.fnUntraced(function* (address: NetAddress.InetAddress) {
    const peer = yield* endpoint.connectionId(address)
    if (Option.isSome(peer)) yield* peers.add(peer.value)
    return peer
  })

  /** The name of the peer at an address: a contact keeps the name that was given, also when it answers from another address. */
  const nameOf = (id: ConnectionId, place: NetAddress.InetAddress) =>
    Effect.map(
      Effect.filter(options.contacts, (contact) => Effect.map(endpoint.connectionId(contact), Option.contains(id))),
      ([contact]) => contact ?? place
    )

  const redial = (contact: NetAddress.InetAddress) =>
    FiberMap.run(
      redials,
      `${contact}`,
      endpoint.connectTo(contact).pipe(
        Effect.tapError((error) => Effect.logDebug(`cannot reach ${contact}: ${error.message}`)),
        Effect.retry({
          while: (error) => error._tag !== "EndpointStopped" && error._tag !== "InvalidAddress",
          schedule: redialSchedule
        }),
        Effect.matchEffect({
          onSuccess: () => Effect.andThen(peerAt(contact), log.say(`${contact} connected (contact)`)),
          onFailure: (error) => log.warn(oneLine(error.message))
        })
      ),
      { onlyIfMissing: true }
    )

  // Prints the first connection with a peer, and not the further ones that a peer that pings, or a contact that
  // verifies this endpoint, opens and closes beside it.
  const connected = Effect.fnUntraced(function* (address: NetAddress.InetAddress, suffix = "") {
    const peer = yield* endpoint.connectionId(address)
    if (Option.isNone(peer)) {
      yield* Effect.logDebug(`${address} connected, and is gone`)
      return peer
    }
    if (peers.has(peer.value)) yield* Effect.logDebug(`${address} connected (another connection with it is open)`)
    else {
      yield* peers.add(peer.value)
      yield* log.note(address, `${address} connected${suffix}`)
    }
    yield* FiberMap.remove(redials, `${address}`)
    return peer
  })

  const onConnection = Effect.flatMap(endpoint.nextConnection, ({ remoteAddress }) => connected(remoteAddress))

  const onDisconnection = Effect.flatMap(
    endpoint.nextDisconnection,
    Effect.fnUntraced(function* ({ connectionId, dialledAddress, peer: place, reason }) {
      // A contact may answer from another address, and is dialled again at the one that was given.
      const peer = Option.getOrElse(dialledAddress, () => place)
      const wasIn = peers.has(connectionId)
      if (Option.isNone(yield* endpoint.addressOf(connectionId))) yield* peers.remove(connectionId)
      if ((yield* isConnected(peer)) || (yield* isConnected(place))) {
        yield* peerAt(place)
        const orderly = reason._tag === "LocallyClosed" || reason._tag === "ApplicationClosed"
        const line = `${peer} disconnected: ${oneLine(reason.message, longestReason)} (another connection with it is open)`
        return yield* orderly ? Effect.logDebug(line) : log.note(place, line)
      }
      // A peer that is not there has come and gone unnoticed, or this was the second to last of its connections and
      // both have ended.
      const line = `${peer} disconnected: ${oneLine(reason.message, longestReason)}`
      yield* wasIn ? log.note(place, line) : Effect.logDebug(line)
      yield* files.forget(place)
      if (isContact(peer)) yield* redial(peer)
    })
  )

  const onMessage = Effect.flatMap(
    endpoint.nextMessage,
    Effect.fnUntraced(function* (message) {
      if (yield* files.handle(message)) return
      const peer = yield* connected(message.peer)
      const name = yield* nameOf(message.connectionId, message.peer)
      yield* log.say(`${name}: ${Format.message(message.payload)}`)
      const called = Option.exists(Format.asText(message.payload), (text) => text.trim().toLowerCase() === marco)
      if (Option.isSome(message.reply)) {
        // The peer opened a stream for its question: the answer goes there, and this half is closed in any case.
        const reply = message.reply.value
        const answer = called ? reply.sendMessage(polo, { fin: true }) : reply.finish
        yield* answer.pipe(Effect.ignore, Effect.forkIn(scope))
      } else if (called && Option.isSome(peer)) {
        yield* peers.tell(peer.value, polo)
      }
    })
  )

  const onLine = Effect.fnUntraced(function* (line: string) {
    const text = line.trimEnd()
    if (text === "") return
    if ((yield* peers.broadcast(encoder.encode(text))) === 0) yield* log.warn("no peer is connected: not sent")
  })

  const scope = yield* Effect.scope
  yield* Effect.forEach(Format.localAddresses(endpoint), log.say, { discard: true })
  yield* PortForwarding.tell(endpoint.portMapping, log.say)
  yield* log.say(Format.publicAddress(endpoint, options))
  const contact = Option.flatMap(endpoint.bootstrapContact, ({ addresses }) => PeerAddress.toInetAddress(addresses[0]!))
  if (Option.isSome(contact)) {
    yield* connected(contact.value, " (contact)")
  } else {
    yield* Effect.forEach(options.contacts, redial, { discard: true })
  }

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
    contacts: Flags.contacts,
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
    const layer = Endpoint.layer({
      localAddress: Option.getOrElse(input.listen, () => Flags.anyAddressFor(input.contacts[0])),
      contacts: input.contacts,
      config: {
        ...Flags.timeouts(input),
        ...PortForwarding.config(input),
        // `redialSchedule` decides when a lost contact is dialled again.
        retryDuration: 0,
        ...(Option.isSome(input.externalIp) ? { externalIp: input.externalIp.value } : {}),
        ...(Option.isSome(input.externalPort) ? { externalPort: input.externalPort.value } : {})
      }
    }).pipe(Layer.provide([QuicheTransport.layer(), PortForwarding.layer(input)]))
    // Giving up on a dead contact takes a while.
    if (input.contacts.length > 0) yield* Console.log(`joining through ${input.contacts.join(", ")}`)
    const external = Option.isSome(input.externalIp) || Option.isSome(input.externalPort)
    const limits = LimitFlags.limits(input)
    return yield* run({ contacts: input.contacts, external, out: input.out, limits }).pipe(
      Effect.scoped,
      Effect.provide(layer),
      Effect.mapError(PortForwarding.explain)
    )
  })
).pipe(
  Command.validate((input) =>
    Option.contains(input.out, "-")
      ? Effect.fail(new CliError.ValidationError({ message: "--out - is for qp2p receive: a node has more to print" }))
      : Effect.andThen(
          PortForwarding.validate(input),
          LimitFlags.validate(input, Option.isSome(input.out) ? "Directory" : "Nowhere")
        )
  ),
  Command.withShortDescription("Run a peer that talks to others until Ctrl-C"),
  Command.withDescription(
    "Run a peer. Prints its local and public address, who connects and disconnects, and every message. Each line of " +
      "standard input goes to every connected peer. Answers the message marco with polo. A contact that is lost is " +
      "dialled again until it is back. With --forward-port the router forwards a port while the node runs; what becomes " +
      `of it is printed too. Ends on Ctrl-C, SIGTERM or SIGHUP with exit code 0.\n\n${exitCodesHelp}`
  ),
  Command.withExamples([
    { command: "qp2p node --listen 0.0.0.0:4433", description: "Start the first node of a network" },
    {
      command: "qp2p node --contact 192.0.2.1:4433 --contact 192.0.2.2:4433",
      description: "Join through whichever contact answers first"
    },
    { command: "qp2p node --listen 0.0.0.0:4433 --forward-port", description: "At home, behind a router" },
    { command: 'qp2p node --listen "[::]:4433" --out inbox', description: "Also accept files, into ./inbox" }
  ])
)
