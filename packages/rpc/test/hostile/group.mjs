/** The procedures of the program under attack. */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export const Group = RpcGroup.make(
  Rpc.make("Echo", { payload: { text: Schema.String }, success: Schema.String }),
  /** The text, and so many characters after it. */
  Rpc.make("Long", { payload: { text: Schema.String, length: Schema.Number }, success: Schema.String }),
  /** The text in so many parts. */
  Rpc.make("Parts", { payload: { text: Schema.String, count: Schema.Number }, success: Schema.String, stream: true }),
  /** Text without end, in parts of so many characters. */
  Rpc.make("Pour", { payload: { length: Schema.Number }, success: Schema.String, stream: true })
)
