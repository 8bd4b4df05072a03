/** What the program under attack serves beside what it serves everywhere: an RPC server, in a process of its own. */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as QuicRpcServer from "@qp2p/rpc/QuicRpcServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Stream from "effect/Stream"
import { Group } from "./group.mjs"

/** A careful program makes no longer text. */
const longest = 4 << 20

/** A text of so many characters. */
const text = (length) => "x".repeat(Math.min(length, longest))

const handlers = Group.toLayer({
  Echo: ({ text }) => Effect.succeed(text),
  Long: ({ length, text: head }) => Effect.sync(() => head + text(length)),
  Parts: ({ count, text }) => Stream.take(Stream.fromEffectRepeat(Effect.succeed(text)), count),
  Pour: ({ length }) => Stream.fromEffectRepeat(Effect.sync(() => text(length)))
})

/** Serves RPC at an endpoint until the scope closes. */
export const serve = (endpoint) =>
  Layer.build(
    RpcServer.layer(Group).pipe(
      Layer.provide(handlers),
      Layer.provide(QuicRpcServer.layerProtocol()),
      Layer.provide(RpcSerialization.layerNdjson),
      Layer.provide(Layer.succeed(Endpoint.Endpoint, endpoint))
    )
  )
