// @module-tag slow
/** A cluster of three processes over QUIC: runners die and come back, and cannot reach each other. */
import { assert, it } from "@effect/vitest"
import { Endpoint } from "@qp2p/core"
import { NodeEndpoint, NodeIdentity } from "@qp2p/node"
import { Effect, Exit, Fiber } from "effect"
import { look, type Step } from "./support/database.ts"
import { cluster, type Count, type Runner, until } from "./support/runners.ts"

/** What a cluster waits for comes sooner or later, and later on a busy machine. In milliseconds. */
const limit = 600_000

/** The singleton that asks runners whether they are there, and tells the storage. */
const health = "effect/cluster/Sharding/RunnerHealth"

const counters = Array.from({ length: 100 }, (_, index) => `counter-${index}`)

/** Waits until the runners share all shards. */
const share = (runners: ReadonlyArray<Runner>) =>
  until(
    Effect.forEach(runners, ({ shards }) => shards),
    (each) => each.every((shards) => shards > 0) && each.reduce((sum, shards) => sum + shards) === 60
  )

const names = (runners: ReadonlyArray<Runner>) => new Set(runners.map(({ name }) => name))

const startAll = Effect.fnUntraced(function* (runners: ReadonlyArray<Runner>) {
  yield* Effect.forEach(runners, ({ start }) => start, { concurrency: "unbounded" })
  yield* share(runners)
})

/** The runner that runs a singleton, and the others. */
const find = Effect.fnUntraced(function* (runners: ReadonlyArray<Runner>, singleton: string) {
  const [one] = yield* until(
    Effect.filter(runners, (runner) => runner.has(singleton)),
    ({ length }) => length === 1
  )
  return { one: one!, others: runners.filter((runner) => runner !== one) }
})

/** A counter of which this is true. */
const findCounter = Effect.fnUntraced(function* (runner: Runner, isGood: (count: Count) => boolean) {
  for (const counter of counters) if (isGood(yield* runner.read(counter))) return counter
  throw new Error("there is no such counter")
})

/** Adds to every counter, from a runner. */
const addToAll = (runner: Runner) => Effect.forEach(counters, (counter) => runner.add(counter, 1), { concurrency: 50 })

/** Reads every counter, from a runner: each has this number, whichever runner hosts it, and in the end these do. */
const readAll = (runner: Runner, expected: number, hosts: ReadonlyArray<Runner>) =>
  until(
    Effect.map(
      Effect.forEach(counters, (counter) => runner.read(counter), { concurrency: 50 }),
      (counts) => {
        assert.deepStrictEqual(
          counts.map(({ value }) => value),
          counters.map(() => expected)
        )
        return new Set(counts.map(({ on }) => on))
      }
    ),
    (on) => on.size === hosts.length && hosts.every(({ name }) => on.has(name))
  )

/** The last parcel that a runner has packed, unless it has been delivered. */
const packedAndNotDelivered = (steps: ReadonlyArray<Step>, { name }: Runner): string | undefined => {
  const delivered = new Set(steps.filter(({ step }) => step === "deliver").map(({ parcel }) => parcel))
  return steps.findLast(({ parcel, runner, step }) => step === "pack" && runner === name && !delivered.has(parcel))
    ?.parcel
}

/**
 * No packet has passed the cut: the question still has no answer, or has one of a runner on the side of the asker, where the counter
 * has moved meanwhile.
 */
const assertNotFromAcross = (question: Fiber.Fiber<Count>, side: ReadonlyArray<Runner>) => {
  const exit = question.pollUnsafe()
  if (exit === undefined) return
  assert.isTrue(Exit.isSuccess(exit) && side.some(({ name }) => name === exit.value.on))
}

it.live(
  "shares 100 entities, gives those of a runner that dies to the others, and some to one that comes back",
  () =>
    Effect.gen(function* () {
      const { runners } = yield* cluster
      const [first, second, third] = runners
      yield* startAll(runners)
      yield* Effect.forEach(runners, addToAll, { concurrency: 3 })
      for (const runner of runners) yield* readAll(runner, 3, runners)

      yield* third.kill
      yield* Effect.forEach([first, second], addToAll, { concurrency: 2 })
      for (const runner of [first, second]) yield* readAll(runner, 5, [first, second])

      yield* third.start
      yield* share(runners)
      yield* Effect.forEach(runners, addToAll, { concurrency: 3 })
      for (const runner of runners) yield* readAll(runner, 8, runners)
    }),
  limit
)

it.live(
  "goes on without a runner that the others cannot reach, and with it when they can again",
  () =>
    Effect.gen(function* () {
      const { network, runners } = yield* cluster
      yield* startAll(runners)
      yield* addToAll(runners[0])
      // Another one than the runner that looks after the health of the others.
      const { others } = yield* find(runners, health)
      const cut = others[0]!
      const rest = runners.filter((runner) => runner !== cut)
      const elsewhere = yield* findCounter(rest[0]!, ({ on }) => on !== cut.name)

      network.sever(cut.place)
      const question = yield* Effect.forkChild(cut.read(elsewhere))
      // It lives, and sees in the storage that it has no shards.
      yield* until(cut.shards, (shards) => shards === 0)
      yield* share(rest)
      yield* Effect.forEach(rest, addToAll, { concurrency: 2 })
      for (const runner of rest) yield* readAll(runner, 3, rest)
      assertNotFromAcross(question, [cut])

      network.heal(cut.place)
      yield* Fiber.join(question)
      yield* share(runners)
      yield* Effect.forEach(runners, addToAll, { concurrency: 3 })
      for (const runner of runners) yield* readAll(runner, 6, runners)
    }),
  limit
)

it.live(
  "loses no message that is kept in the storage when the runner that looks after the others is the one that is cut off",
  () =>
    Effect.gen(function* () {
      const { network, runners } = yield* cluster
      yield* startAll(runners)
      const { one: cut, others: rest } = yield* find(runners, health)

      network.sever(cut.place)
      // It finds the others dead, and has all shards. Those others see that in the storage.
      yield* until(cut.shards, (shards) => shards === 60)
      const questions = yield* Effect.forEach(rest, (runner) => Effect.forkChild(runner.read(counters[0]!)))
      yield* Effect.forEach(rest, addToAll, { concurrency: 2 })
      yield* readAll(cut, 2, [cut])
      for (const question of questions) assertNotFromAcross(question, rest)

      network.heal(cut.place)
      yield* Fiber.joinAll(questions)
      yield* share(runners)
      yield* Effect.forEach(runners, addToAll, { concurrency: 3 })
      for (const runner of runners) yield* readAll(runner, 5, runners)
    }),
  limit
)

it.live(
  "carries a parcel to its end, and goes on beating, when the runner that did both dies",
  () =>
    Effect.gen(function* () {
      const { database, runners } = yield* cluster
      yield* startAll(runners)
      const { beats, steps } = yield* look(database)
      // The beats are those of an entity: whoever runs the singleton that starts them may be another runner.
      const { length } = yield* beats
      const beater = (yield* until(beats, (each) => each.length > length)).at(-1)!.runner
      const victim = runners.find(({ name }) => name === beater)!
      const others = runners.filter((runner) => runner !== victim)

      // Parcels go to any runner: so many are sent that one is packed by this one. Their wait outlasts the way from this look to its death.
      const first = others[0]!
      const sent: Array<Fiber.Fiber<string>> = []
      const send = Effect.suspend(() =>
        Effect.map(Effect.forkChild(first.ask(`parcel ${sent.length} 10000`)), (fiber) => sent.push(fiber))
      )
      const parcel = (yield* until(
        Effect.andThen(
          send,
          Effect.map(steps, (each) => packedAndNotDelivered(each, victim))
        ),
        (found) => found !== undefined
      ))!

      yield* victim.kill
      const beatsBefore = yield* beats
      const [, deliveredBy] = /^parcel \S+ was packed by \S+ and delivered by (\S+)$/u.exec(
        yield* Fiber.join(sent[Number(parcel)]!)
      )!
      assert.include([...names(others)], deliveredBy!)
      // Each parcel arrives, and no step is done twice.
      yield* Fiber.joinAll(sent)
      assert.deepStrictEqual(
        (yield* steps).map(({ parcel: name, step }) => `${name} ${step}`).toSorted(),
        sent.flatMap((_, name) => [`${name} deliver`, `${name} pack`]).toSorted()
      )

      // The others beat, and make up for the beats that are missing.
      const all = yield* until(beats, (each) => new Set(each.map(({ time }) => time)).size >= beatsBefore.length + 10)
      const late = all.filter(({ time }) => time > beatsBefore.at(-1)!.time)
      for (const { runner } of late) assert.include([...names(others)], runner)
      const times = [...new Set(all.map(({ time }) => Date.parse(time)))]
      assert.deepStrictEqual(
        times,
        times.map((_, index) => times[0]! + index * 1_000)
      )
    }),
  limit
)

it.live(
  "refuses a peer whose key is not in the cluster",
  () =>
    Effect.gen(function* () {
      const { keys, runners } = yield* cluster
      const [first, second] = runners
      yield* startAll([first, second])
      const dial = (identity?: Endpoint.Options["identity"]) =>
        Effect.flatMap(Endpoint.Endpoint, (endpoint) => endpoint.connectTo(first.name)).pipe(
          Effect.provide(NodeEndpoint.layer({ localAddress: "127.0.0.1:0", identity }))
        )

      assert.strictEqual((yield* Effect.flip(dial()))._tag, "PeerRefused")
      // The third runner has not started: its key gets in, from wherever it is shown.
      assert.strictEqual((yield* dial(NodeIdentity.fromFile(keys[2]))).peerId, first.peerId)
      yield* addToAll(second)
      yield* readAll(first, 1, [first, second])
    }),
  limit
)
