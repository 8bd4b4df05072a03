/** What the runners of a cluster share, in memory: their list, and who holds which shard. Locks do not expire. */
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Effect from "effect/Effect"

/** A storage for several runners. */
export const make = (): RunnerStorage.RunnerStorage["Service"] => {
  const runners = new Map<string, { readonly id: number; runner: string; healthy: boolean }>()
  const locks = new Map<string, string>()
  const held = (address: string, shards: ReadonlyArray<string>) =>
    shards.filter((shard) => locks.get(shard) === address)
  return RunnerStorage.makeEncoded({
    getRunners: Effect.sync(() => [...runners.values()].map(({ healthy, runner }) => [runner, healthy] as const)),
    register: (address, runner, healthy) =>
      Effect.sync(() => {
        const { id } = runners.get(address) ?? { id: runners.size }
        runners.set(address, { id, runner, healthy })
        return id
      }),
    unregister: (address) => Effect.sync(() => void runners.delete(address)),
    setRunnerHealth: (address, healthy) =>
      Effect.sync(() => {
        const entry = runners.get(address)
        if (entry !== undefined) entry.healthy = healthy
      }),
    acquire: (address, shards) =>
      Effect.sync(() => {
        for (const shard of shards) if (!locks.has(shard)) locks.set(shard, address)
        return held(address, shards)
      }),
    refresh: (address, shards) => Effect.sync(() => held(address, shards)),
    release: (address, shard) => Effect.sync(() => void (locks.get(shard) === address && locks.delete(shard))),
    releaseAll: (address) =>
      Effect.sync(() => {
        for (const [shard, holder] of locks) if (holder === address) locks.delete(shard)
      })
  })
}
