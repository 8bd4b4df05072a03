/** What the runners of a cluster share: one SQLite file with the runners, their locks on shards, the messages and the answers. */
import { NodeCrypto } from "@effect/platform-node"
import { Layer } from "effect"
import { SqlMessageStorage, SqlRunnerStorage } from "effect/cluster"
import * as Sqlite from "./Sqlite.ts"

/** Provides both storages of Effect Cluster, and the `SqlClient` beneath them, with the file of this name. */
export const layer = (filename: string) =>
  Layer.mergeAll(SqlMessageStorage.layer, SqlRunnerStorage.layer).pipe(
    Layer.provide(NodeCrypto.layerDigest),
    Layer.provideMerge(Sqlite.layer(filename))
  )
