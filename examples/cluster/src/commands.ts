/**
 * The console of a runner. Each line of standard input is a command, and each line of standard output an answer:
 *
 * - `add COUNTER AMOUNT [KEY]` adds to a counter, wherever it lives. The same key again adds nothing.
 * - `read COUNTER` tells its number.
 * - `parcel NAME MILLISECONDS` sends a parcel, and tells who has packed and who has delivered it.
 * - `shards` tells how many shards this runner has.
 * - `has SINGLETON` tells whether this runner runs a singleton, such as `effect/cluster/Sharding/RunnerHealth`.
 *
 * Commands run side by side. One may begin with a number and a colon, which its answer repeats: `7: read apples`.
 */
import { Endpoint } from "@qp2p/core"
import { Cause, Console, Duration, Effect, Schedule, Stdio, Stream } from "effect"
import { EntityId, Sharding, ShardId, ShardingConfig } from "effect/cluster"
import { Counter } from "./Counter.ts"
import { nameOf } from "./names.ts"
import { Parcel } from "./Parcel.ts"

/** The most commands that run at once. */
const concurrency = 128

const shards = Effect.gen(function* () {
  const { hasShardId } = yield* Sharding.Sharding
  const { shardsPerGroup } = yield* ShardingConfig.ShardingConfig
  const own = Array.from({ length: shardsPerGroup }, (_, index) => ShardId.make("default", index + 1)).filter(
    hasShardId
  )
  return `shards ${own.length}`
})

const has = Effect.fnUntraced(function* (singleton: string) {
  const { getShardId, hasShardId } = yield* Sharding.Sharding
  return `has ${singleton}: ${hasShardId(getShardId(EntityId.make(singleton), "default")) ? "yes" : "no"}`
})

/**
 * Makes a call again that was interrupted on the other side: Effect Cluster does that to calls whose entity moves to another runner while
 * it answers. What must not be done twice has a key.
 */
const throughMoves = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  call.pipe(
    Effect.sandbox,
    Effect.retry({ while: Cause.hasInterruptsOnly, schedule: Schedule.spaced("100 millis") }),
    Effect.catch((cause) => Effect.failCause(cause))
  )

const run = Effect.fnUntraced(function* (command: string) {
  // @effect-diagnostics-next-line cryptoRandomUUIDInEffect:off -- a key that no other command has
  const [verb, name = "", number = "1", key = crypto.randomUUID()] = command.split(/\s+/u)
  const counter = yield* Counter.client
  switch (verb) {
    case "add": {
      const { runner, value } = yield* throughMoves(counter(name).Add({ key, amount: Number(number) }))
      return `counter ${name} is ${value} on ${runner}`
    }
    case "read": {
      const { runner, value } = yield* throughMoves(counter(name).Read())
      return `counter ${name} is ${value} on ${runner}`
    }
    case "parcel": {
      const { deliveredBy, packedBy } = yield* Parcel.execute({ name, wait: Duration.millis(Number(number)) })
      return `parcel ${name} was packed by ${packedBy} and delivered by ${deliveredBy}`
    }
    case "shards":
      return yield* shards
    case "has":
      return yield* has(name)
    default:
      return `no such command: ${command}`
  }
})

const answer = (line: string) => {
  const [, number = "", command = ""] = /^(\d+: )?(.*)$/u.exec(line.trim()) ?? []
  return run(command).pipe(
    Effect.catchCause((cause) => Effect.succeed(`failed: ${cause}`)),
    Effect.flatMap((text) => Console.log(`${number}${text}`))
  )
}

/** Tells who this runner is, and then answers commands until standard input ends. */
export const commands = Effect.gen(function* () {
  const { localAddress } = yield* Endpoint.Endpoint
  const { runnerAddress } = yield* ShardingConfig.ShardingConfig
  const { stdin } = yield* Stdio.Stdio
  yield* Console.log(`runner ${nameOf(runnerAddress)} listens on ${localAddress}`)
  yield* stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.mapEffect(answer, { concurrency, unordered: true }),
    Stream.runDrain
  )
})
