/**
 * What every attack must leave behind: a node that lives, within its bound of memory, and an honest peer without a
 * loss. Times are reported and never asserted: they depend on the machine.
 */
import { appendFileSync } from "node:fs"
import { assert, inject } from "vitest"
import * as attack from "./attack.ts"
import * as network from "./network.ts"
import type { Result } from "./result.ts"

declare module "vitest" {
  interface ProvidedContext {
    /**
     * Seconds that an attack goes on, whether to wait only until the node's memory is within what is asserted, and the
     * file that has a line of JSON for each result.
     */
    readonly hostile: { readonly seconds: number; readonly isShort: boolean; readonly report: string }
  }
}

/** MiB that a node may hold beyond its idle memory: 512, and 64 KiB for each admitted connection. */
const bound = (connections: number): number => 512 + connections / 16

/** MiB that V8 may keep for its heap after an attack, beyond the 10 %. */
const heap = 32

/** MiB that a node may hold after an attack. */
const mostAfter = (idle: number): number => idle * 1.1 + heap

const problems = (
  { death, exceeded, honest, memory, newcomers, pushes }: Result,
  connections: number
): ReadonlyArray<string> => [
  ...(death === undefined ? [] : [`the node ended: ${death}`]),
  ...(memory.peak - memory.idle <= bound(connections)
    ? []
    : [`${memory.peak.toFixed(0)} MiB resident, idle ${memory.idle.toFixed(0)}`]),
  ...(memory.after <= mostAfter(memory.idle)
    ? []
    : [`${memory.after.toFixed(0)} MiB after 30 s, idle ${memory.idle.toFixed(0)}`]),
  ...(honest.lost === 0 ? [] : [`lost ${honest.lost} of ${honest.asked}: ${JSON.stringify(honest.reasons)}`]),
  ...(pushes.received >= pushes.sent
    ? []
    : [`${pushes.sent} messages to the honest peer, ${pushes.failed} failed, ${pushes.received} arrived`]),
  ...(newcomers.unreachable === 0 ? [] : [`${newcomers.unreachable} newcomers were told that they cannot be reached`]),
  ...exceeded
]

/**
 * Runs the attack of that name and fails with everything that it broke. `connections` is how many the node may admit, and `more` a
 * folder with more for the programs.
 */
export const attacked = async (name: string, connections = 100, more?: attack.More): Promise<Result> => {
  const { isShort, report, seconds } = inject("hostile")
  const net = network.make()
  try {
    const result = await attack.run(name, seconds, net, isShort ? mostAfter : (idle) => idle * 1.1, more)
    appendFileSync(report, `${JSON.stringify(result)}\n`)
    assert.deepStrictEqual(problems(result, connections), [], name)
    return result
  } finally {
    net.remove()
  }
}

/** Why source addresses cannot be forged here; undefined if they can. */
export const noSpoofing = (): string | undefined => {
  const net = network.make()
  net.remove()
  return net.noSpoofing
}
