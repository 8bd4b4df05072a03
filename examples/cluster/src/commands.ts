/**
 * The console of a runner. Each line of standard input is a command of `Command.ts`, and each line of standard output an answer.
 *
 * Commands run side by side. One may begin with a number and a colon, which its answer repeats: `7: read apples`.
 */
import { Endpoint } from "@qp2p/core"
import { Cause, Console, Duration, Effect, Schedule, Stdio, Stream } from "effect"
import { EntityId, Sharding, ShardId, ShardingConfig } from "effect/cluster"
import * as Command from "./Command.ts"
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

const run = Effect.fnUntraced(function* (text: string) {
  const command = Command.parse(text)
  const counter = yield* Counter.client
  switch (command._tag) {
    case "Add": {
      // @effect-diagnostics-next-line cryptoRandomUUIDInEffect:off -- a key that no other command has
      const { amount, counter: name, key = crypto.randomUUID() } = command
      const { runner, value } = yield* throughMoves(counter(name).Add({ key, amount }))
      return `counter ${name} is ${value} on ${runner}`
    }
    case "Read": {
      const { runner, value } = yield* throughMoves(counter(command.counter).Read())
      return `counter ${command.counter} is ${value} on ${runner}`
    }
    case "Parcel": {
      const { name, wait } = command
      const { deliveredBy, packedBy } = yield* Parcel.execute({ name, wait: Duration.millis(wait) })
      return `parcel ${name} was packed by ${packedBy} and delivered by ${deliveredBy}`
    }
    case "Shards":
      return yield* shards
    case "Has":
      return yield* has(command.singleton)
    case "Unknown":
      return `no such command: ${text}; there are ${Command.all.join(", ")}`
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
