/** The procedures that contenders of RPC call, and their handlers. */
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Counter } from "../counting.ts"

export const Service = RpcGroup.make(
  Rpc.make("Echo", { payload: { text: Schema.String }, success: Schema.String }),
  Rpc.make("Count", { payload: { count: Schema.Number }, success: Schema.Number, stream: true }),
  Rpc.make("Long", { payload: { size: Schema.Number }, success: Schema.String })
)

export const handlers = (counter: Counter) =>
  Service.toLayer({
    Echo: ({ text }) =>
      Effect.sync(() => {
        counter.take(text.length)
        return text
      }),
    Count: ({ count }) => Stream.range(1, count),
    Long: ({ size }) => Effect.succeed("x".repeat(size))
  })

export const client = RpcClient.make(Service)
