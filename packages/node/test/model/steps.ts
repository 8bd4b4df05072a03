/**
 * What programs are made of. A step prints as the call that makes it, so that a program that was found can be kept.
 */
import * as fc from "fast-check"
import type { Name } from "./calls.ts"
import type { Answers, StreamEnd } from "./traffic.ts"
import type { World } from "./world.ts"

export interface Step {
  readonly toString: () => string
  /** Whether it makes sense now. A step that does not is left out. */
  readonly applies: (world: World) => boolean
  readonly run: (world: World) => Promise<void> | void
  /** The next step follows at once. */
  readonly instant?: boolean
}

const step = (name: string, args: ReadonlyArray<unknown>, applies: Step["applies"], run: Step["run"]): Step => ({
  toString: () => `${name}(${args.map((arg) => JSON.stringify(arg)).join(", ")})`,
  applies,
  run
})

const isUp = (slot: number) => (world: World) => world.at(slot) !== undefined

const two = (a: number, b: number) => (world: World) => a < world.size && b < world.size && a !== b

const fromTo = (a: number, b: number) => (world: World) => two(a, b)(world) && isUp(a)(world)

const handle = (world: World, slot: number, index: number) => {
  const handles = world.at(slot)?.handles ?? []
  return handles[index % handles.length]
}

// --- endpoints and the network ------------------------------------------------------------------------------------

export const start = (a: number): Step =>
  step(
    "start",
    [a],
    (world) => a < world.size && world.at(a) === undefined,
    (world) => world.start(a)
  )

export const close = (a: number): Step => step("close", [a], isUp(a), (world) => world.close(a))

export const crash = (a: number): Step => step("crash", [a], isUp(a), (world) => world.crash(a))

export const partition = (a: number, b: number): Step =>
  step("partition", [a, b], two(a, b), (world) => world.partition(a, b, true))

export const partitionOneWay = (from: number, to: number): Step =>
  step("partitionOneWay", [from, to], two(from, to), (world) => world.partition(from, to, false))

export const heal = (): Step =>
  step(
    "heal",
    [],
    () => true,
    (world) => world.heal()
  )

export const kill = (a: number, b: number): Step =>
  step(
    "kill",
    [a, b],
    (world) => world.rig.kill !== undefined && two(a, b)(world),
    (world) => world.kill(a, b)
  )

export const latency = (millis: number): Step =>
  step(
    "latency",
    [millis],
    () => true,
    (world) => world.rig.setLatency(millis)
  )

export const pass = (millis: number): Step =>
  step(
    "pass",
    [millis],
    () => true,
    (world) => world.pass(millis)
  )

/** The step after the next one follows after so many turns, not when all is done. */
export const hurry = (turns: number): Step => ({
  ...step(
    "hurry",
    [turns],
    () => true,
    (world) => world.hurry(turns)
  ),
  instant: true
})

// --- applications -------------------------------------------------------------------------------------------------

export const connect = (a: number, b: number): Step =>
  step("connect", [a, b], fromTo(a, b), (world) => world.connect(world.at(a)!, b))

export const sendMessage = (a: number, b: number, size: number): Step =>
  step("sendMessage", [a, b, size], fromTo(a, b), (world) => {
    world.traffic.send(world.at(a)!, b, size, "sendMessage")
  })

export const sendMessageOnce = (a: number, b: number, size: number): Step =>
  step("sendMessageOnce", [a, b, size], fromTo(a, b), (world) => {
    world.traffic.send(world.at(a)!, b, size, "sendMessageOnce")
  })

export const trySendMessage = (a: number, b: number, size: number): Step =>
  step("trySendMessage", [a, b, size], fromTo(a, b), (world) => {
    world.traffic.send(world.at(a)!, b, size, "trySendMessage")
  })

/** Over the `index`th connection that the application at `a` has ever had. */
export const sendOver = (a: number, index: number, size: number): Step =>
  step(
    "sendOver",
    [a, index, size],
    (world) => handle(world, a, index) !== undefined,
    (world) => world.traffic.sendOver(world.at(a)!, handle(world, a, index)!, size)
  )

/** So many datagrams, over the `index`th connection that the application at `a` has ever had. */
export const datagrams = (a: number, index: number, count: number, size: number): Step =>
  step(
    "datagrams",
    [a, index, count, size],
    (world) => handle(world, a, index) !== undefined,
    (world) => {
      for (let i = 0; i < count; i++) world.traffic.datagram(world.at(a)!, handle(world, a, index)!, size)
    }
  )

/** Messages on one stream, each of which may be answered. */
export const stream = (a: number, b: number, sizes: ReadonlyArray<number>, answers: Answers, end: StreamEnd): Step =>
  step("stream", [a, b, sizes, answers, end], fromTo(a, b), (world) =>
    world.traffic.stream(world.at(a)!, b, sizes, answers, end)
  )

/** A question in a protocol, which is answered unless the opener leaves after its first bytes. */
export const ask = (a: number, b: number, size: number, name: Name, leave = false): Step =>
  step("ask", [a, b, size, name, leave], fromTo(a, b), (world) => world.calls.ask(world.at(a)!, b, size, name, leave))

export const disconnect = (a: number, b: number): Step =>
  step("disconnect", [a, b], fromTo(a, b), (world) => world.disconnect(world.at(a)!, b))

export const closeConnection = (a: number, index: number): Step =>
  step(
    "closeConnection",
    [a, index],
    (world) => handle(world, a, index) !== undefined,
    (world) => world.closeConnection(world.at(a)!, handle(world, a, index)!)
  )

export const stopReading = (a: number): Step =>
  step("stopReading", [a], isUp(a), (world) => world.stopReading(world.at(a)!))

export const read = (a: number): Step => step("read", [a], isUp(a), (world) => world.read(world.at(a)!))

/** What has been under way for longest but `index`. */
export const interrupt = (index: number): Step =>
  step(
    "interrupt",
    [index],
    (world) => world.pending.length > 0,
    (world) => world.interrupt(world.pending[index % world.pending.length]!)
  )

// --- at random ----------------------------------------------------------------------------------------------------

const sizes = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 4, max: 64 }) },
  { weight: 3, arbitrary: fc.integer({ min: 1_000, max: 20_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 400_000 }) }
)

/** Arbitrary steps among `size` endpoints, each with its weight. */
export const arbitrarySteps = (size: number, times: ReadonlyArray<number>): fc.Arbitrary<Step> => {
  const slot = fc.nat(size - 1)
  const pair = fc.tuple(slot, fc.nat(size - 2)).map(([a, other]) => [a, other < a ? other : other + 1] as const)
  const index = fc.nat(7)
  const end = fc.constantFrom<StreamEnd>("finish", "finish", "finish", "reset", "leave")
  return fc.oneof(
    { weight: 4, arbitrary: pair.map(([a, b]) => connect(a, b)) },
    { weight: 12, arbitrary: fc.tuple(pair, sizes).map(([[a, b], size]) => sendMessage(a, b, size)) },
    { weight: 2, arbitrary: fc.tuple(pair, sizes).map(([[a, b], size]) => sendMessageOnce(a, b, size)) },
    { weight: 5, arbitrary: fc.tuple(pair, sizes).map(([[a, b], size]) => trySendMessage(a, b, size)) },
    { weight: 5, arbitrary: fc.tuple(slot, index, sizes).map(([a, i, size]) => sendOver(a, i, size)) },
    {
      weight: 6,
      arbitrary: fc
        .tuple(
          pair,
          fc.array(sizes, { minLength: 1, maxLength: 6 }),
          fc.constantFrom<Answers>("none", "now", "later"),
          end
        )
        .map(([[a, b], all, answers, how]) => stream(a, b, all, answers, how))
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(pair, sizes, fc.constantFrom<Name>("echo", "echo", "nobody's"), fc.constantFrom(false, false, true))
        .map(([[a, b], bytes, name, leave]) => ask(a, b, bytes, name, leave))
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(slot, index, fc.constantFrom(1, 1, 2, 10), fc.integer({ min: 4, max: 1_200 }))
        .map(([a, i, count, size]) => datagrams(a, i, count, size))
    },
    // More than a connection keeps.
    { weight: 1, arbitrary: fc.tuple(slot, index).map(([a, i]) => datagrams(a, i, 300, 4)) },
    { weight: 2, arbitrary: pair.map(([a, b]) => disconnect(a, b)) },
    { weight: 2, arbitrary: fc.tuple(slot, index).map(([a, i]) => closeConnection(a, i)) },
    { weight: 3, arbitrary: pair.map(([a, b]) => kill(a, b)) },
    { weight: 2, arbitrary: slot.map(crash) },
    { weight: 2, arbitrary: slot.map(close) },
    { weight: 5, arbitrary: slot.map(start) },
    { weight: 2, arbitrary: pair.map(([a, b]) => partition(a, b)) },
    { weight: 2, arbitrary: pair.map(([a, b]) => partitionOneWay(a, b)) },
    { weight: 3, arbitrary: fc.constant(0).map(heal) },
    { weight: 3, arbitrary: slot.map(stopReading) },
    { weight: 3, arbitrary: slot.map(read) },
    { weight: 4, arbitrary: index.map(interrupt) },
    { weight: 2, arbitrary: fc.constantFrom(0, 1, 30, 400).map(latency) },
    { weight: 8, arbitrary: fc.constantFrom(...times).map(pass) },
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 30 }).map(hurry) }
  )
}
