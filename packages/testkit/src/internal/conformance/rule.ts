/** What a rule is, and what it may depend on. */
import type { SocketError } from "@qp2p/core/EndpointError"
import type { StreamFailure, Transport } from "@qp2p/core/Transport"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** What was awaited did not come about within the limit. */
export class NeverHappened extends Schema.TaggedError<NeverHappened>("@qp2p/testkit/conformance/NeverHappened")(
  "NeverHappened",
  { what: Schema.String }
) {
  override get message() {
    return `never happened: ${this.what}`
  }
}

/** Where the rules are tried. */
export interface Surroundings {
  /** Where sockets are bound; its port is 0. */
  readonly address: string
  /** How long one condition may take to come about. */
  readonly limit: Duration.Duration
  /**
   * Packets get lost, and with them what QUIC stacks do not all repeat. Some peers learn only by silence that a socket is
   * gone; and a connection may end because a request to stop did not arrive.
   */
  readonly lossy: boolean
  /** A socket that is bound at the first is reached at the second, with its port, and answers from another address. */
  readonly multihomed?: { readonly bind: string; readonly dial: string } | undefined
}

export const Surroundings: Context.Reference<Surroundings> = Context.Reference(
  "@qp2p/testkit/conformance/Surroundings",
  {
    defaultValue: (): Surroundings => ({ address: "127.0.0.1:0", limit: Duration.seconds(20), lossy: false })
  }
)

/** What no record may ever do, whatever the rule is about: the recorders of `peers.ts` note it here. */
export const Faults: Context.Reference<Array<string>> = Context.Reference("@qp2p/testkit/conformance/Faults", {
  defaultValue: (): Array<string> => []
})

/** A request to stop a stream was lost, and its connection has ended over that: the rule is tried over another one. */
class StopLost extends Schema.TaggedError<StopLost>("@qp2p/testkit/conformance/StopLost")("StopLost", {}) {}

/** Whether that is what a write's outcome tells: the peer said that it closed, or has not been heard since. */
export const isStopLost = (outcome: StreamFailure | "done" | undefined): Effect.Effect<boolean> =>
  Effect.map(
    Surroundings,
    ({ lossy }) =>
      lossy && typeof outcome === "object" && (outcome._tag === "TransportClosed" || outcome._tag === "IdleTimedOut")
  )

/** Fails where `isStopLost`, for `unlessStopLost` to begin again. */
export const stopArrived = (outcome: StreamFailure | "done" | undefined): Effect.Effect<void, StopLost> =>
  Effect.flatMap(isStopLost(outcome), (lost) => (lost ? new StopLost() : Effect.void))

/** One request in twenty may be lost, but not so many in a row. */
const maxStopsLost = 20

export const unlessStopLost = <A, R>(
  body: Effect.Effect<A, SocketError | NeverHappened | StopLost, R>
): Effect.Effect<A, SocketError | NeverHappened, R> =>
  Effect.retry(body, { while: (error) => error._tag === "StopLost", times: maxStopsLost }).pipe(
    Effect.catchTag("StopLost", Effect.die)
  )

/** A rule for transports: it holds if `run` succeeds. */
export interface Rule {
  readonly title: string
  /** Whether it can be tried only where a socket answers from another address than it is dialled at. */
  readonly multihomed?: boolean
  readonly run: Effect.Effect<void, SocketError | NeverHappened, Transport | Scope.Scope>
}

/** Rules about one subject. */
export interface Group {
  readonly title: string
  readonly rules: ReadonlyArray<Rule>
}

/** What a record did that none may do explains more than what came of it. */
const blame = (faults: ReadonlyArray<string>) =>
  Effect.suspend(() => (faults.length === 0 ? Effect.void : Effect.die(new Error(faults.join(", ")))))

export const rule = (title: string, body: Rule["run"]): Rule => ({
  title,
  run: Effect.suspend(() => {
    const faults: Array<string> = []
    const checked = Effect.flatMap(Effect.exit(body), (exit) => Effect.andThen(blame(faults), exit))
    return Effect.provideService(checked, Faults, faults)
  })
})
