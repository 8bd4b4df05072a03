/** What one attack did: a line of the table. */

/** Times are in milliseconds, memory in MiB, processor use in percent of one core. */
export interface Result {
  readonly attack: string
  /** How the node ended, or undefined while it lives. */
  readonly death: string | undefined
  readonly honest: {
    readonly asked: number
    readonly lost: number
    readonly p50: number
    readonly p99: number
    readonly worst: number
    /** Before the attack. */
    readonly idleP99: number
    readonly reasons: Readonly<Record<string, number>>
  }
  readonly newcomers: {
    readonly tried: number
    readonly refused: number
    /** How many of these were told that they cannot be reached, which is false. */
    readonly unreachable: number
  }
  readonly pushes: { readonly sent: number; readonly failed: number; readonly received: number }
  readonly memory: { readonly idle: number; readonly peak: number; readonly after: number; readonly seconds: number }
  readonly processor: { readonly idle: number; readonly during: number; readonly after: number }
  readonly logLines: number
  /** The machine's load average: other programs make the times longer. */
  readonly load: number
  /** Which addresses said that they are whom, as the node saw them. */
  readonly claims: ReadonlyArray<readonly [peer: string, who: ReadonlyArray<string>]>
  /** What the attack says about itself. */
  readonly facts: Readonly<Record<string, number>>
  /** Facts that exceed their bound, as sentences. */
  readonly exceeded: ReadonlyArray<string>
}
