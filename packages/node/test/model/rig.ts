/**
 * A network for the model's endpoints, and what can be done to it.
 */
import type * as Context from "effect/Context"
import type { Transport } from "@qp2p/core/Transport"

export interface Rig {
  /**
   * Whether `drain` leaves nothing to happen before time passes. On the real driver there is no such moment, and what
   * happens together in one step is not told apart.
   */
  readonly exact: boolean
  /** What fibers of the endpoints run with. */
  readonly context: Context.Context<never>
  /** The transport of the endpoints at place `slot`. */
  readonly transport: (slot: number) => Transport["Service"]
  readonly addressOf: (slot: number) => string
  /** Lets happen what takes no time; all of it, or `turns` turns. Answers whether that was all. */
  readonly drain: (turns?: number) => Promise<boolean>
  readonly pass: (millis: number) => Promise<void>
  /**
   * Until every connection that has lost its peer has ended, and every try again has been made, in milliseconds. Of no
   * use where it is not exact: there one waits and sees.
   */
  readonly patience: number
  readonly setLatency: (millis: number) => Promise<void>
  /** What one sends to the other vanishes, or both ways. */
  readonly partition: (from: number, to: number, bothWays: boolean) => Promise<void>
  readonly heal: () => Promise<void>
  /** The connections between the two are lost at `a`, and `b` is told nothing; where the network can do that. */
  readonly kill: ((a: number, b: number) => Promise<void>) | undefined
  /** Nothing that is sent at `slot` while `down` runs is ever heard. */
  readonly silently: (slot: number, down: () => Promise<void>) => Promise<void>
  /** What is still there of what belonged to endpoints: fibers, timers, sockets. */
  readonly leftovers: () => ReadonlyArray<string>
  /** Ends the network; says what is left of it. */
  readonly dispose: () => Promise<ReadonlyArray<string>>
}
