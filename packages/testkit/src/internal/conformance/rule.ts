/** The types of rules, and the environment in which they are tried. */
import type { BindError } from "@qp2p/core/EndpointError"
import type { StreamFailure, Transport } from "@qp2p/core/Transport"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** A condition did not come true within the limit. */
export class NeverHappened extends Schema.TaggedError<NeverHappened>("@qp2p/testkit/conformance/NeverHappened")(
  "NeverHappened",
  { what: Schema.String }
) {
  override get message() {
    return `never happened: ${this.what}`
  }
}

/** The environment of the rules; the default suits loopback sockets without loss. */
export interface Environment {
  /** The address that sockets bind; its port is 0. */
  readonly address: string
  /** How long one condition may take. */
  readonly limit: Duration.Duration
  /**
   * Whether packets are lost, and with them frames that not every QUIC stack repeats. Some peers then find out only by
   * silence that a socket has closed, and a connection may end because a STOP_SENDING frame was lost.
   */
  readonly lossy: boolean
  /** A socket that is bound at the first is reached at the second, with its port, and answers from another address. */
  readonly multihomed?: { readonly bind: string; readonly dial: string } | undefined
}

/** The current environment of the rules; the default suits loopback sockets without loss. */
export const Environment: Context.Reference<Environment> = Context.Reference("@qp2p/testkit/conformance/Environment", {
  defaultValue: (): Environment => ({ address: "127.0.0.1:0", limit: Duration.seconds(20), lossy: false })
})

/** Breaches of the contract that the recorders in `recording/` see, in every rule. */
export const Faults: Context.Reference<Array<string>> = Context.Reference("@qp2p/testkit/conformance/Faults", {
  defaultValue: (): Array<string> => []
})

/** A STOP_SENDING frame was lost and its connection has ended over that: the rule is tried again over another one. */
class StopLost extends Schema.TaggedError<StopLost>("@qp2p/testkit/conformance/StopLost")("StopLost", {}) {}

/** Whether a write's result shows that STOP_SENDING was lost: the peer closed for it, or has not been heard since. */
export const isStopLost = (outcome: StreamFailure | "done" | undefined): Effect.Effect<boolean> =>
  Effect.map(
    Environment,
    ({ lossy }) =>
      lossy && typeof outcome === "object" && (outcome._tag === "TransportClosed" || outcome._tag === "IdleTimedOut")
  )

/** Fails with `StopLost` where `isStopLost`, so that `unlessStopLost` tries again. */
export const stopArrived = (outcome: StreamFailure | "done" | undefined): Effect.Effect<void, StopLost> =>
  Effect.flatMap(isStopLost(outcome), (lost) => (lost ? new StopLost() : Effect.void))

/** The number of attempts: one frame in twenty may be lost, but not so many in a row. */
const maxStopsLost = 20

/** Runs a body again, a limited number of times, when a stop was lost that the contract allows to be lost. */
export const unlessStopLost = <A, R>(
  body: Effect.Effect<A, BindError | NeverHappened | StopLost, R>
): Effect.Effect<A, BindError | NeverHappened, R> =>
  Effect.retry(body, { while: (error) => error._tag === "StopLost", times: maxStopsLost }).pipe(
    Effect.catchTag("StopLost", Effect.die)
  )

/** A rule for transports. It holds if `run` succeeds. */
export interface Rule {
  readonly title: string
  /** Whether the rule needs a socket that answers from another address than the dialled one. */
  readonly multihomed?: boolean
  readonly run: Effect.Effect<void, BindError | NeverHappened, Transport | Scope.Scope>
}

/** The rules about one subject. */
export interface Group {
  readonly title: string
  readonly rules: ReadonlyArray<Rule>
}

/** A breach of the contract explains more than its consequences, so the failure names it first. */
const withFaults = (faults: ReadonlyArray<string>) =>
  Effect.suspend(() => (faults.length === 0 ? Effect.void : Effect.die(new Error(faults.join(", ")))))

/** Makes a rule that fails also when a recorder in `recording/` saw a breach of the contract. */
export const rule = (title: string, body: Rule["run"]): Rule => ({
  title,
  run: Effect.suspend(() => {
    const faults: Array<string> = []
    const checked = Effect.flatMap(Effect.exit(body), (exit) => Effect.andThen(withFaults(faults), exit))
    return Effect.provideService(checked, Faults, faults)
  })
})
