/**
 * The protocols that an endpoint serves: their names, their handlers, and the streams that run.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as ErrorCode from "../../ErrorCode.ts"
import { InvalidArgument, ofOptions, ofValue } from "../../InvalidArgument.ts"
import { type ProtocolRefused, ProtocolTaken } from "../../ProtocolError.ts"
import type { ProtocolStream } from "../../ProtocolStream.ts"
import { ConnectionLost, StreamLost } from "../../SendError.ts"
import type { ServeOptions } from "../../ServeOptions.ts"
import type { BackingRecvStream, BackingSendStream, RecvEvents } from "../../Transport.ts"
import * as args from "../arguments.ts"
import type { ConnectionImpl } from "../connection/connection.ts"
import { acceptProtocol } from "../connection/openProtocol.ts"
import type { ProtocolStreamImpl } from "../connection/protocolStream.ts"
import { refuseProtocol } from "../connection/refusedProtocol.ts"
import { microtask } from "../microtask.ts"
import { protocolName } from "../wire/protocolName.ts"
import { endpointLimits, limitsOf } from "./protocolLimits.ts"
import { StreamCount, type StreamOwner } from "./streamCount.ts"
import { unservable } from "./unservable.ts"

/** A handler with what it needs: runs it for a stream. */
type Run = (stream: ProtocolStream) => Fiber.Fiber<unknown, unknown>

/** A protocol that is served. */
interface Served {
  readonly run: Run
  readonly count: StreamCount
  readonly fibers: Set<Fiber.Fiber<unknown, unknown>>
  /** Whether its scope has closed. */
  isOver: boolean
}

/** The options of `Protocols`. */
export interface ProtocolsOptions {
  /** A stream was refused. */
  readonly onRefused: (connection: ConnectionImpl, protocol: string, kind: ProtocolRefused["kind"]) => void
  /** A handler has failed. */
  readonly onFailed: (connection: ConnectionImpl, protocol: string, cause: Cause.Cause<unknown>) => void
  /** A handler has failed because its stream or its connection has ended, which is the peer's doing or the network's. */
  readonly onLost: (connection: ConnectionImpl, protocol: string, error: StreamLost | ConnectionLost) => void
}

const maxStreams = args.optional(args.integer(1, endpointLimits.all))

const serveOptions: args.Fields = { maxStreams, maxStreamsPerPeer: maxStreams }

/** The protocols that one endpoint serves. */
export class Protocols {
  private readonly options: ProtocolsOptions
  private readonly served = new Map<string, Served>()
  /** The streams of all protocols. */
  private readonly count = new StreamCount(endpointLimits)
  /** The handlers that start after this turn. */
  private starting: Array<() => void> = []

  constructor(options: ProtocolsOptions) {
    this.options = options
  }

  /** Serves a protocol until the scope closes. */
  readonly serve = <E, R>(
    name: string,
    handler: (stream: ProtocolStream) => Effect.Effect<void, E, R>,
    options?: ServeOptions
  ): Effect.Effect<void, ProtocolTaken, R | Scope.Scope> =>
    Effect.contextWith((context: Context.Context<R | Scope.Scope>) => {
      const wrong =
        ofValue("name", name, protocolName) ??
        ofValue("handler", handler, args.func) ??
        ofOptions(options, serveOptions)
      if (wrong !== undefined) return Effect.fail(unservable(name, wrong))
      if (this.served.has(name)) return Effect.fail(new ProtocolTaken({ protocol: name }))
      const served: Served = {
        run: runWith(handler, context),
        count: new StreamCount(limitsOf(options?.maxStreams, options?.maxStreamsPerPeer)),
        fibers: new Set(),
        isOver: false
      }
      this.served.set(name, served)
      return Effect.addFinalizer(() => this.end(name, served))
      // An interruption between the two would take the name for ever.
    }).pipe(Effect.uninterruptible)

  /** Takes a stream that a peer has opened: refuses it, or starts a handler after this turn. */
  readonly onStream = (
    connection: ConnectionImpl,
    name: string,
    receive: BackingRecvStream,
    send: BackingSendStream
  ): RecvEvents => {
    const served = this.served.get(name)
    if (served === undefined) return this.refuse(connection, name, receive, send, "NotServed")
    const owner: StreamOwner = { peer: connection.peerId, ip: connection.ip }
    if (!this.count.hasRoom(owner) || !served.count.hasRoom(owner)) {
      return this.refuse(connection, name, receive, send, "TooManyStreams")
    }
    this.count.add(owner)
    served.count.add(owner)
    const { received, stream } = acceptProtocol(connection, name, receive, send)
    // The end of the stream may arrive in this turn: then the handler finds all of it.
    this.start(() => this.run(connection, served, stream, owner))
    return received
  }

  private start(handler: () => void): void {
    this.starting.push(handler)
    if (this.starting.length > 1) return
    microtask(() => {
      const { starting } = this
      this.starting = []
      for (const each of starting) each()
    })
  }

  private run(connection: ConnectionImpl, served: Served, stream: ProtocolStreamImpl, owner: StreamOwner): void {
    const over = () => {
      this.count.delete(owner)
      served.count.delete(owner)
    }
    if (served.isOver) {
      stream.abort(ErrorCode.noError)
      return over()
    }
    const fiber = served.run(stream)
    served.fibers.add(fiber)
    fiber.addObserver((exit) => {
      served.fibers.delete(fiber)
      over()
      if (Exit.isSuccess(exit)) return stream.end()
      if (Cause.hasInterruptsOnly(exit.cause)) return stream.abort(ErrorCode.noError)
      stream.abort(ErrorCode.handlerFailed)
      const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
      if (error instanceof StreamLost || error instanceof ConnectionLost) {
        return this.options.onLost(connection, stream.protocol, error)
      }
      this.options.onFailed(connection, stream.protocol, exit.cause)
    })
  }

  private end(name: string, served: Served): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.served.delete(name)
      served.isOver = true
      return Fiber.interruptAll(served.fibers)
    })
  }

  private refuse(
    connection: ConnectionImpl,
    name: string,
    receive: BackingRecvStream,
    send: BackingSendStream,
    kind: ProtocolRefused["kind"]
  ): RecvEvents {
    this.options.onRefused(connection, name, kind)
    return refuseProtocol(receive, send, kind)
  }
}

/** Makes the function that runs a handler in a fiber and a scope of its own. A handler that throws has a defect. */
const runWith =
  <E, R>(
    handler: (stream: ProtocolStream) => Effect.Effect<void, E, R>,
    context: Context.Context<R | Scope.Scope>
  ): Run =>
  (stream) => {
    const scope = Scope.makeUnsafe()
    const handled = Effect.suspend((): Effect.Effect<void, E, R> => {
      const effect = handler(stream)
      if (Effect.isEffect(effect)) return effect
      return Effect.die(
        new InvalidArgument({ argument: "handler", detail: `must return an Effect, got ${args.show(effect)}` })
      )
    })
    return Effect.runForkWith(Context.add(context, Scope.Scope, scope))(
      Effect.onExit(handled, (exit) => Scope.close(scope, exit))
    )
  }
