/** The shared streams of a client. They are opened when calls need them, in fibers of the client, not of a caller. */
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import type * as Scope from "effect/Scope"
import * as limits from "../limits.ts"
import type { Answers } from "./answers.ts"
import * as errors from "./errors.ts"
import { Session } from "./session.ts"

/** The shared streams of a client to its peer. */
export class Sessions {
  private readonly answers: Answers
  private readonly open: Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>
  private readonly scope: Scope.Scope
  private readonly context: Context.Context<never>
  private sessions: Array<Session> = []
  private readonly waiters = new Set<() => void>()
  private isClosed = false
  private readonly clock: Clock.Clock
  /** Until when no shared stream is opened, since the server took none, in milliseconds from any start. */
  private refusedUntil = -Infinity

  constructor(
    answers: Answers,
    open: Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>,
    scope: Scope.Scope,
    context: Context.Context<never>
  ) {
    this.answers = answers
    this.open = open
    this.scope = scope
    this.context = context
    this.clock = Context.get(context, Clock.Clock)
  }

  /** Whether the server took no shared stream a short time ago: the peer had too many. */
  get isRefused(): boolean {
    return this.refusedUntil > this.now
  }

  private get now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  /** The session for the next call, if one has room. */
  get available(): Session | undefined {
    const { sessions } = this
    for (const session of sessions) if (session.hasRoom) return session
    return undefined
  }

  /** Waits for a session with room. Opens one unless there are as many as there may be. */
  readonly take: Effect.Effect<Session, RpcClientError> = Effect.suspend(() => {
    if (this.isClosed) return Effect.fail(errors.closed())
    const { available } = this
    if (available !== undefined) return Effect.succeed(available)
    if (this.sessions.length < limits.sharedStreams) return this.start
    return Effect.andThen(this.room, this.take)
  })

  /** Ends all sessions. */
  close(): void {
    this.isClosed = true
    for (const session of this.sessions) session.end(errors.closed())
    this.sessions = []
    this.onRoom()
  }

  private readonly room: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const waiter = () => resume(Effect.void)
    this.waiters.add(waiter)
    return Effect.sync(() => this.waiters.delete(waiter))
  })

  /** Calls begin before the stream is open: they leave with its first bytes. */
  private readonly start: Effect.Effect<Session> = Effect.suspend(() => {
    const session = new Session(this.answers, () => this.onRoom())
    this.sessions.push(session)
    const served = Effect.scoped(
      Effect.flatMap(Effect.mapError(this.open, errors.ofOpen), (stream) => session.serve(stream))
    ).pipe(
      Effect.onExit((exit) => Effect.sync(() => this.end(session, exit))),
      Effect.ignore,
      // Nothing of the caller whose call opens the stream.
      Effect.updateContext<never, never>(() => this.context)
    )
    return Effect.as(Effect.forkIn(served, this.scope, { startImmediately: true }), session)
    // Later calls would wait on a session that an interrupted caller has left without its fiber.
  }).pipe(Effect.uninterruptible)

  private end(session: Session, exit: Exit.Exit<void, RpcClientError>): void {
    this.sessions = this.sessions.filter((one) => one !== session)
    session.end(Option.getOrElse(Exit.findErrorOption(exit), errors.closed))
    if (session.isRefused) this.refusedUntil = this.now + limits.refusedFor
    this.onRoom()
  }

  /** Lets as many calls go on as there is room for. Each takes its room at once. */
  private onRoom(): void {
    for (const waiter of this.waiters) {
      if (!this.isClosed && this.available === undefined && this.sessions.length >= limits.sharedStreams) return
      this.waiters.delete(waiter)
      waiter()
    }
  }
}
