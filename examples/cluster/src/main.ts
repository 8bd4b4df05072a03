/**
 * Runs a runner in the terminal, which takes the commands of `commands.ts` from standard input.
 *
 * The settings are environment variables: CLUSTER_DATABASE with the file that all runners share, CLUSTER_IDENTITY with the file of
 * this runner's key, which is made when there is none, CLUSTER_MEMBERS with the ids of all runners and white space between them,
 * CLUSTER_LOCAL_ADDRESS, and every field of `EndpointConfig`. Without members, it prints its id and ends. Unless it is one of the
 * members, it fails: the others would refuse it.
 */
import { NodeRuntime, NodeStdio } from "@effect/platform-node"
import { Endpoint, PeerId } from "@qp2p/core"
import { NodeIdentity } from "@qp2p/node"
import { Config, Console, Effect, Layer, Option, Schema } from "effect"
import { commands } from "./commands.ts"
import * as Runner from "./Runner.ts"

const settings = Config.all({
  endpoint: Endpoint.config("cluster", { others: ["database", "identity", "members"] }),
  database: Config.String("CLUSTER_DATABASE").pipe(Config.withDefault("cluster.db")),
  identity: Config.String("CLUSTER_IDENTITY"),
  members: Config.option(Config.String("CLUSTER_MEMBERS"))
})

/** The key of this runner is not among those of the members. */
class NotAMember extends Schema.TaggedError<NotAMember>("@qp2p-examples/cluster/NotAMember")("NotAMember", {
  peerId: PeerId.PeerId,
  identity: Schema.String
}) {
  override get message() {
    return `CLUSTER_MEMBERS has to name this runner as well: ${this.peerId}, whose key is in ${this.identity}`
  }
}

const decodeMembers = (text: string) =>
  Effect.map(Schema.decodeEffect(Schema.Array(PeerId.PeerId))(text.trim().split(/\s+/u)), (ids) => new Set(ids))

const main = Effect.gen(function* () {
  const { database, endpoint, identity: file, members } = yield* settings
  const identity = yield* NodeIdentity.fromFile(file)
  if (Option.isNone(members)) return yield* Console.log(identity.peerId)
  const ids = yield* decodeMembers(members.value)
  if (!ids.has(identity.peerId)) return yield* new NotAMember({ peerId: identity.peerId, identity: file })
  const runner = Runner.layer({ ...endpoint, database, identity, members: ids })
  yield* Effect.provide(commands, Layer.merge(runner, NodeStdio.layer))
})

NodeRuntime.runMain(main)
