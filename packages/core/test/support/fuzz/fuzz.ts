/**
 * Hands saved inputs and mutations of them to a parser, and checks what must hold for every input there is.
 *
 * In the tests, a run has a fixed seed and a fixed number of inputs. `npm run fuzz` goes on for a time with another seed, and
 * saves what fails. `QP2P_FUZZ_SECONDS`, `QP2P_FUZZ_SEED` and `QP2P_FUZZ_KEEP` are what it sets.
 */
import { createHash } from "node:crypto"
import { basename } from "node:path"
import { getHeapStatistics } from "node:v8"
import * as corpus from "./corpus.ts"
import { minimised, mutate } from "./mutate.ts"
import { Random, seedOf } from "./random.ts"
import * as watchdog from "./watchdog.ts"

/** A parser and what must hold. */
export interface Target {
  /** `import.meta.url` of the test. Its inputs are in the directory beside it. */
  readonly test: string
  readonly format: corpus.Format
  /** Words of the format. */
  readonly tokens?: ReadonlyArray<string | Uint8Array> | undefined
  /** The most bytes of an input. */
  readonly maxLength: number
  /** How many mutations a run in the tests tries. */
  readonly runs: number
  /**
   * How many bytes of buffers the check of an input of `length` bytes may allocate. What it adds to the heap, where the
   * assertions do, may be more: 16 MiB and 4 KiB for each byte.
   */
  readonly memory?: ((length: number) => number) | undefined
  /**
   * Throws when something does not hold. Returns what came of the input, in words: inputs of which something new comes are
   * mutated further. All that is random is to come from `random`, which depends on the input alone.
   */
  readonly check: (input: Uint8Array, random: Random) => string
}

// @effect-diagnostics processEnv:off -- no Effect runs here
// @effect-diagnostics globalDate:off -- nor is there a clock of its own
const seconds = Number(process.env["QP2P_FUZZ_SECONDS"] ?? 0)
const givenSeed = process.env["QP2P_FUZZ_SEED"]
/** Whether inputs of which something new comes are saved as well. */
const isKeeping = process.env["QP2P_FUZZ_KEEP"] === "1"

const isLong = seconds > 0
/** The time for a test that fuzzes, in milliseconds: enough on a busy machine, and without end for `npm run fuzz`. */
export const timeout = isLong ? 0 : 120_000

const maxPool = 1_500
const maxFailures = 5

const allocated = () => {
  const { external_memory: buffers, used_heap_size: heap } = getHeapStatistics()
  return { buffers, heap }
}

/** What stays the same of a text when its numbers and quoted parts change. */
const shapeOf = (text: string): string => text.replaceAll(/"(?:[^"\\]|\\.)*"/gu, '"…"').replaceAll(/\d+/gu, "n")

const messageOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)

/** Throws unless something holds. It costs less than an assertion, and adds nothing to the memory that is measured. */
export const holds = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`it does not hold: ${what}`)
}

/** Runs the saved inputs of a target, and then mutations of them. Rejects with what did not hold, and for which input. */
export const fuzz = async (target: Target): Promise<void> => {
  const directory = corpus.beside(target.test)
  const entries = corpus.read(directory)
  if (entries.length === 0) throw new Error(`${directory} has no inputs`)
  const name = basename(directory, ".corpus")
  const seed = givenSeed === undefined ? (isLong ? Date.now() | 0 : 1) : Number(givenSeed) | 0
  const random = new Random(seed)
  const tokens = (target.tokens ?? []).map((token) => (typeof token === "string" ? Buffer.from(token) : token))
  const pool = entries.map(({ bytes }) => bytes)
  const memory = target.memory ?? ((length: number) => 2 ** 21 + 64 * length)
  const seen = new Set<string>()
  const failures = new Map<string, string>()
  let slowest = 0
  const endless = isLong ? corpus.fileOf(directory, `endless-${seed >>> 0}`, "hex") : undefined
  const dog = watchdog.start(Math.max(target.maxLength, ...pool.map(({ length }) => length)), endless)

  /** Returns what came of an input, or the error of what does not hold. */
  const outcome = (input: Uint8Array, tries = 4): string | Error => {
    dog.begin(input)
    const began = isLong ? performance.now() : 0
    const before = allocated()
    try {
      const came = target.check(Uint8Array.from(input), new Random(seedOf(input)))
      const after = allocated()
      const buffers = after.buffers - before.buffers
      const heap = after.heap - before.heap
      if (isLong) slowest = Math.max(slowest, performance.now() - began)
      if (buffers <= memory(input.length) && heap <= 2 ** 24 + 4_096 * input.length) return came
      // The engine allocates as well, now and then.
      return tries > 1
        ? outcome(input, tries - 1)
        : new Error(`${input.length} bytes took ${buffers} bytes of buffers, ${heap} of heap`)
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  const isSame = (shape: string) => (input: Uint8Array) => {
    const came = outcome(input)
    return shapeOf(typeof came === "string" ? came : messageOf(came)) === shape
  }

  const tryOut = (input: Uint8Array, label: string): void => {
    const came = outcome(input)
    const shape = shapeOf(typeof came === "string" ? came : messageOf(came))
    if (typeof came === "string") {
      if (seen.has(shape)) return
      seen.add(shape)
      if (label !== "") return
      if (pool.length < maxPool) pool.push(input)
      if (isKeeping) corpus.save(directory, shape, minimised(input, isSame(shape)), target.format)
      return
    }
    if (failures.has(shape)) return
    const smallest = label === "" ? minimised(input, isSame(shape)) : input
    const hash = createHash("sha256").update(smallest).digest("hex").slice(0, 8)
    const file =
      label !== "" ? label : isLong ? basename(corpus.save(directory, `found-${hash}`, smallest, target.format)) : ""
    const where = file === "" ? `${corpus.format(smallest, target.format)}(npm run fuzz saves such inputs)` : file
    failures.set(shape, `${came.stack ?? messageOf(came)}\nfor the input ${where}`)
  }

  const until = performance.now() + 1_000 * seconds
  let runs = 0
  try {
    for (const entry of entries) tryOut(entry.bytes, entry.name)
    for (let yielded = performance.now(); failures.size < maxFailures; runs++) {
      if (isLong ? performance.now() >= until : runs >= target.runs || failures.size > 0) break
      tryOut(mutate(random, { pool, tokens, maxLength: target.maxLength }), "")
      if (performance.now() - yielded < 200) continue
      // The test runner wants to hear of its workers now and then.
      await new Promise((resolve) => setImmediate(resolve))
      yielded = performance.now()
    }
  } finally {
    await dog.stop()
  }
  if (isLong)
    process.stdout.write(
      `${name}: ${runs} inputs, ${seen.size} outcomes, slowest ${Math.round(slowest)} ms, seed ${seed}\n`
    )
  if (failures.size > 0) throw new Error([...failures.values()].join("\n\n"))
}
