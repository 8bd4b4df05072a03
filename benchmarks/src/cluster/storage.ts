/** The storages of a cluster that never changes: no runner comes or goes, and no message is kept. */
import { Effect, Layer } from "effect"
import { MachineId, MessageStorage, Runner, type RunnerAddress, RunnerStorage } from "effect/cluster"

/** Every runner gets the shards that it is to have: all of them know the same runners, so no two want the same. */
export const layer = (addresses: ReadonlyArray<RunnerAddress.RunnerAddress>) => {
  const runners = addresses.map((address) => Runner.make({ address, groups: ["default"], weight: 1 }))
  return Layer.merge(
    MessageStorage.layerNoop,
    Layer.succeed(
      RunnerStorage.RunnerStorage,
      RunnerStorage.RunnerStorage.of({
        getRunners: Effect.succeed(runners.map((runner): [Runner.Runner, boolean] => [runner, true])),
        register: ({ address }) =>
          Effect.succeed(
            MachineId.make(addresses.findIndex(({ host, port }) => host === address.host && port === address.port))
          ),
        unregister: () => Effect.void,
        setRunnerHealth: () => Effect.void,
        acquire: (_address, shards) => Effect.sync(() => [...shards]),
        refresh: (_address, shards) => Effect.sync(() => [...shards]),
        release: () => Effect.void,
        releaseAll: () => Effect.void
      })
    )
  )
}
