/**
 * A runner's console. Each line of standard input is a command, and each line of standard output an answer:
 *
 * - `add COUNTER AMOUNT [KEY]`: adds to a counter, wherever it lives. The same key again adds nothing.
 * - `read COUNTER`: tells its number.
 * - `parcel NAME MILLISECONDS`: sends a parcel, and tells who has packed and delivered it.
 * - `shards`: tells how many of the cluster's shards this runner has.
 */
import { Console, Duration, Effect, Stdio, Stream } from "effect"
import { Sharding, ShardId, ShardingConfig } from "effect/cluster"
import { Counter } from "./Counter.ts"
import { nameOf } from "./names.ts"
import { Parcel } from "./Parcel.ts"

/** The most commands that are under way at once. */
const concurrency = 128

const shards = Effect.gen(function* () {
  const { hasShardId } = yield* Sharding.Sharding
  const { shardsPerGroup } = yield* ShardingConfig.ShardingConfig
  const own = Array.from({ length: shardsPerGroup }, (_, index) => ShardId.make("default", index + 1)).filter(hasShardId)
  return `shards ${own.length}`
})

const run = Effect.fnUntraced(function* (line: string) {
  const [command, name = "", amount = "1", key = crypto.randomUUID()] = line.trim().split(/\s+/u)
  const counter = yield* Counter.client
  switch (command) {
    case "add": {
      const { runner, value } = yield* counter(name).Add({ key, amount: Number(amount) })
      return `counter ${name} is ${value} on ${runner}`
    }
    case "read": {
      const { runner, value } = yield* counter(name).Read()
      return `counter ${name} is ${value} on ${runner}`
    }
    case "parcel": {
      const { deliveredBy, packedBy } = yield* Parcel.execute({ name, wait: Duration.millis(Number(amount)) })
      return `parcel ${name} was packed by ${packedBy} and delivered by ${deliveredBy}`
    }
    case "shards":
      return yield* shards
    default:
      return `no such command: ${line}`
  }
})

/** Tells the runner's name, and then answers commands until standard input ends. */
export const commands = Effect.gen(function* () {
  const { runnerAddress } = yield* ShardingConfig.ShardingConfig
  const { stdin } = yield* Stdio.Stdio
  yield* Console.log(`runner ${nameOf(runnerAddress)}`)
  yield* stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.mapEffect(
      (line) => Effect.catchCause(run(line), (cause) => Effect.succeed(`failed: ${line}: ${cause}`)).pipe(Effect.flatMap(Console.log)),
      { concurrency, unordered: true }
    ),
    Stream.runDrain
  )
})
