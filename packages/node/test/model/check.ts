/**
 * Runs programs, given or at random, and checks the laws.
 *
 * What fails in memory is shrunk, and its report names the seed, the path and the replay path. To see it again:
 *
 *     QP2P_MODEL_SEED=… QP2P_MODEL_PATH=… QP2P_MODEL_REPLAY=… npm run vitest -- run Endpoint.model.test.ts
 *
 * Without these the programs are the same each time. `QP2P_MODEL_SEED=random` looks for new ones, and
 * `QP2P_MODEL_RUNS=100000` for more of them; `QP2P_MODEL_SHRINK=no` stops at the first that fails, as it is. The program
 * in a report can be kept as a test, with `runProgram`.
 *
 * Programs on the real driver run many at a time, and what fails is not shrunk, for no run is quite like the other. Its
 * report names a seed and a path, with which it is run alone, and shrunk as far as it keeps failing.
 */
import type * as SimulatedNetwork from "@qp2p/testkit/SimulatedNetwork"
import * as fc from "fast-check"
import { env } from "node:process"
import { setTimeout } from "node:timers/promises"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import type { Operation } from "./journal.ts"
import { checkClosed, checkRest, checkStep, failureOf } from "./laws.ts"
import { memoryRig } from "./memoryRig.ts"
import type { Rig } from "./rig.ts"
import { simulatedRig } from "./simulatedRig.ts"
import { arbitrarySteps, type Step } from "./steps.ts"
import { World } from "./world.ts"

/** What there is before the first step. */
export interface Setup {
  readonly size: number
  readonly config?: EndpointConfig.Input
  /** In milliseconds, one way. */
  readonly latency?: number
  /** In memory: the seed of the order of turns; 0, the default, is first come, first served. */
  readonly schedule?: number
  /** On the real driver: what becomes of datagrams. */
  readonly faults?: SimulatedNetwork.Options
}

/** How long the real driver may take until everything has come to rest, in milliseconds. */
const longestRest = 20_000

/** How long a program on the real driver may be shrunk, in milliseconds. */
const longestShrink = 240_000

const demand = (when: string, violations: ReadonlyArray<string>): void => {
  if (violations.length > 0) throw new Error(`${when}:\n${violations.map((violation) => `- ${violation}`).join("\n")}`)
}

/** The laws hold: now where that can be said, else before long. */
const eventually = async (world: World, when: string, laws: (world: World) => ReadonlyArray<string>): Promise<void> => {
  let violations = laws(world)
  const { journal, rig } = world
  const until = performance.now() + longestRest
  // What has come wrongly does not get better.
  while (!rig.exact && violations.length > 0 && journal.violations.length === 0 && performance.now() < until) {
    await setTimeout(20)
    violations = laws(world)
  }
  demand(when, violations)
}

const settle = async (world: World): Promise<void> => {
  const { journal, rig } = world
  if ((await world.settle()) && rig.exact) demand(`after step ${journal.step}`, checkStep(world))
}

const perform = async (world: World, step: Step): Promise<void> => {
  await step.run(world)
  if (step.instant !== true) await settle(world)
}

const open = async (rig: Rig, { config = {}, latency = 0, size }: Setup): Promise<World> => {
  const world = new World(rig, size, config)
  await rig.setLatency(latency)
  for (let slot = 0; slot < size; slot++) await world.start(slot)
  await settle(world)
  return world
}

/** Brings everything to rest and to its end, with the laws that hold then. */
const finish = async (world: World): Promise<void> => {
  const { rig } = world
  await world.settle()
  await world.heal()
  await rig.setLatency(0)
  for (const life of world.living) world.read(life)
  await settle(world)
  await world.pass(rig.patience)
  await settle(world)
  await eventually(world, "in the end", checkRest)

  // Now nothing is in the way.
  const operations: Array<Operation> = []
  for (const one of world.living) {
    for (const other of world.living)
      if (one !== other) operations.push(world.traffic.send(one, other.slot, 100, "sendMessage"))
  }
  await settle(world)
  // Whoever has no room for so many at once takes them when it is asked again.
  if (rig.exact) await world.pass(10_000)
  await settle(world)
  await eventually(world, "with the last messages", () => [
    ...operations.flatMap(({ exit, name }) =>
      exit?._tag === "Success" ? [] : [`${name} ends with ${failureOf(exit) ?? "nothing"}`]
    ),
    ...checkRest(world)
  ])

  for (const { slot } of world.living) {
    await world.close(slot)
    await settle(world)
  }
  await eventually(world, "when all is closed", () => [...checkClosed(world), ...rig.leftovers()])
  // Every port is free.
  for (let slot = 0; slot < world.size; slot++) await world.start(slot)
  for (const { slot } of world.living) await world.close(slot)
}

const inWorld = async (rig: Rig, setup: Setup, body: (world: World) => Promise<void>): Promise<void> => {
  let done = false
  try {
    const world = await open(rig, setup)
    await body(world)
    await finish(world)
    done = true
  } finally {
    const left = await rig.dispose()
    if (done) demand("when the network is gone", left)
  }
}

const runIn = async (rig: Rig, setup: Setup, steps: ReadonlyArray<Step>): Promise<void> =>
  inWorld(rig, setup, async (world) => {
    for (const step of steps) if (step.applies(world)) await perform(world, step)
  })

/** Runs one program in memory. */
export const runProgram = async (setup: Setup, steps: ReadonlyArray<Step>): Promise<void> =>
  runIn(await memoryRig(setup.schedule ?? 0), setup, steps)

/** Runs one program on the real driver. */
export const runProgramLive = async (setup: Setup, steps: ReadonlyArray<Step>): Promise<void> =>
  runIn(await simulatedRig(setup.faults ?? {}), setup, steps)

class StepCommand implements fc.AsyncCommand<World, World> {
  private readonly step: Step

  constructor(step: Step) {
    this.step = step
  }

  check = (world: Readonly<World>): boolean => this.step.applies(world as World)
  run = (world: World): Promise<void> => perform(world, this.step)
  toString = (): string => this.step.toString()
}

type Commands = Iterable<fc.AsyncCommand<World, World>>

const runCommands = (rig: Rig, setup: Setup, commands: Commands): Promise<void> =>
  inWorld(rig, setup, (world) => fc.asyncModelRun(() => ({ model: world, real: world }), commands))

const environment = (name: string): string | undefined => env[`QP2P_MODEL_${name}`]

const defaultSeed = 20_260

const seedOf = (): number => {
  const seed = environment("SEED") ?? defaultSeed
  return seed === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(seed)
}

const runsOf = (runs: number): number => Number(environment("RUNS") ?? runs)

const programs = (
  setups: fc.Arbitrary<Setup>,
  steps: number,
  times: ReadonlyArray<number>
): fc.Arbitrary<[Setup, Commands]> => {
  const replayPath = environment("REPLAY")
  return setups.chain((setup) =>
    fc.tuple(
      fc.constant(setup),
      fc.commands<World, World, false>([arbitrarySteps(setup.size, times).map((step) => new StepCommand(step))], {
        maxCommands: steps,
        size: "max",
        ...(replayPath === undefined ? {} : { replayPath })
      })
    )
  )
}

const size = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(2, 3) },
  { weight: 1, arbitrary: fc.integer({ min: 4, max: 8 }) }
)

const inMemory = programs(
  fc.record({
    size,
    config: fc.record({
      messageBuffer: fc.constantFrom(10_000, 10_000, 8, 2),
      keepAliveInterval: fc.constantFrom("20 seconds", "Infinity")
    }),
    latency: fc.constantFrom(0, 0, 1, 30),
    schedule: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff }))
  }),
  40,
  [1, 30, 500, 5_000, 35_000, 70_000]
)

/** Runs programs at random in memory. */
export const checkInMemory = async (runs: number): Promise<void> => {
  const path = environment("PATH")
  const property = fc.asyncProperty(inMemory, async ([setup, commands]) =>
    runCommands(await memoryRig(setup.schedule ?? 0), setup, commands)
  )
  await fc.assert(property, {
    seed: seedOf(),
    numRuns: runsOf(runs),
    endOnFailure: environment("SHRINK") === "no",
    ...(path === undefined ? {} : { path })
  })
}

/** What became of programs at random in memory: the same each time. */
export const journalsInMemory = async (runs: number): Promise<ReadonlyArray<string>> => {
  const journals: Array<string> = []
  for (const [setup, commands] of fc.sample(inMemory, { seed: defaultSeed, numRuns: runs })) {
    await inWorld(await memoryRig(setup.schedule ?? 0), setup, async (world) => {
      await fc.asyncModelRun(() => ({ model: world, real: world }), commands)
      const { lives, operations, sent } = world.journal
      journals.push(
        JSON.stringify([
          fc.stringify([setup, commands]),
          lives.map(({ disconnections, ends, name }) => [name, disconnections, ends]),
          operations.map(({ endedAt, exit, name, startedAt }) => [
            name,
            startedAt,
            endedAt,
            exit?._tag,
            failureOf(exit)
          ]),
          sent.map(({ id, received }) => [id, received.map(({ at, by, connection }) => [at, by.name, connection])])
        ])
      )
    })
  }
  return journals
}

/** Short, for tests that wait for them. */
const live: EndpointConfig.Input = {
  idleTimeout: "2 seconds",
  keepAliveInterval: "400 millis",
  handshakeTimeout: "2 seconds",
  retryDuration: "3 seconds",
  stallTimeout: "5 seconds"
}

const onTheDriver = programs(
  fc.record({
    size,
    config: fc.constantFrom(10_000, 8).map((messageBuffer) => ({ ...live, messageBuffer })),
    latency: fc.constantFrom(0, 1, 10),
    faults: fc.record({
      seed: fc.nat(0xffff),
      loss: fc.constantFrom(0, 0.01, 0.05),
      duplication: fc.constantFrom(0, 0.02),
      reordering: fc.constantFrom(0, 0.05),
      corruption: fc.constantFrom(0, 0.005)
    })
  }),
  25,
  [1, 10, 50, 300, 2_500]
)

/** Runs programs at random on the real driver, `atOnce` of them at a time. */
export const checkOnTheDriver = async (runs: number, atOnce: number): Promise<void> => {
  const seed = seedOf()
  const path = environment("PATH")
  const run = async ([setup, commands]: [Setup, Commands]) =>
    runCommands(await simulatedRig(setup.faults ?? {}), setup, commands)
  if (path !== undefined)
    return await fc.assert(fc.asyncProperty(onTheDriver, run), {
      seed,
      path,
      numRuns: 1,
      interruptAfterTimeLimit: longestShrink
    })

  const samples = fc.sample(onTheDriver, { seed, numRuns: runsOf(runs) }).entries()
  const failures: Array<string> = []
  const worker = async () => {
    for (const [i, program] of samples) {
      try {
        await run(program)
      } catch (error) {
        failures.push(`QP2P_MODEL_SEED=${seed} QP2P_MODEL_PATH=${i}\n${fc.stringify(program)}\n${String(error)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  demand(`${failures.length} programs fail`, failures)
}
