/** Who calls: the id of the peer in the fibers of requests. */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as RpcTest from "effect/rpc/RpcTest"
import * as Schema from "effect/Schema"
import * as QuicRpc from "../src/QuicRpc.ts"
import * as QuicRpcClient from "../src/QuicRpcClient.ts"
import * as QuicRpcServer from "../src/QuicRpcServer.ts"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

class NotAMember extends Schema.TaggedError<NotAMember>("test/NotAMember")("NotAMember", {}) {}

/** Admits peers by their ids. */
class Members extends RpcMiddleware.Service<Members, { requires: QuicRpc.Caller }>()("test/Members", {
  error: NotAMember
}) {}

const Club = RpcGroup.make(Rpc.make("Enter", { success: Schema.String }))
  .middleware(Members)
  .middleware(QuicRpc.Authenticated)

const member = TestIdentity.make("a member")

const club = RpcServer.layer(Club).pipe(
  Layer.provide([
    Club.toLayer({ Enter: () => Effect.map(QuicRpc.Caller, (id) => `welcome ${id}`) }),
    Layer.succeed(Members)(
      Members.of((effect) =>
        Effect.flatMap(QuicRpc.Caller, (id) => (id === member.peerId ? effect : Effect.fail(new NotAMember())))
      )
    )
  ]),
  Layer.provide(QuicRpcServer.layerProtocol({ protocol: "club" })),
  Layer.provide(places.server)
)

const enter = (endpoint: places.Service, two: places.Service) =>
  Effect.gen(function* () {
    const protocol = yield* QuicRpcClient.makeProtocol(two.peerAddress, { protocol: "club" })
    const client = yield* Effect.provideService(RpcClient.make(Club), RpcClient.Protocol, protocol)
    return yield* client.Enter()
  }).pipe(Effect.scoped, Effect.provideService(Endpoint.Endpoint, endpoint))

describe("the caller", () => {
  it.effect("is the peer whose request it is, on streams of its own and on shared ones", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const three = yield* Endpoint.make({ localAddress: "10.0.0.3:3", identity: TestIdentity.make("three") })
      yield* office.serve(two)
      for (const endpoint of [one, three]) {
        const client = yield* office.client(endpoint, two.peerAddress)
        const answers = yield* Effect.forEach([1, 2, 3, 4], () => client.Who())
        assert.deepStrictEqual(answers, Array(4).fill(endpoint.peerId))
      }
    }).pipe(Effect.scoped, Effect.provide([places.inMemory(), office.layer]))
  )

  it.effect("is what a middleware admits peers by", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const friend = yield* Endpoint.make({ localAddress: "10.0.0.4:4", identity: member })
      yield* Layer.build(club)
      assert.strictEqual(yield* enter(friend, two), `welcome ${member.peerId}`)
      assert.instanceOf(yield* Effect.flip(enter(one, two)), NotAMember)
    }).pipe(Effect.scoped, Effect.provide([places.inMemory(), RpcSerialization.layerNdjson]))
  )

  it.effect("is unknown to a request of another protocol, whose handler does not run", () =>
    Effect.gen(function* () {
      let runs = 0
      const Plain = RpcGroup.make(Rpc.make("Who", { success: Schema.String })).middleware(QuicRpc.Authenticated)
      const handlers = Plain.toLayer({
        Who: () =>
          Effect.map(QuicRpc.Caller, (id) => {
            runs++
            return id
          })
      })
      const client = yield* RpcTest.makeClient(Plain).pipe(Effect.provide([handlers, QuicRpc.layerAuthenticated]))
      const exit = yield* Effect.exit(client.Who())
      assert.strictEqual(exit._tag, "Failure")
      assert.include(String(exit), "no caller")
      assert.strictEqual(runs, 0)
    }).pipe(Effect.scoped)
  )

  it("has no default", () => {
    assert.isUndefined(Context.getOrUndefined(Context.empty(), QuicRpc.Caller))
  })
})
