import * as Effect from "effect/Effect"
import type * as Endpoint from "@qp2p/core/Endpoint"
import { bytes, textOf } from "../../core/test/support/values.ts"

/** Asks on a bidirectional stream, and yields the answer. */
export const ask = Effect.fnUntraced(function* (
  endpoint: Endpoint.Endpoint["Service"],
  peer: Endpoint.Address,
  question: string
) {
  const { receive, send } = yield* endpoint.openBidirectionalStream(peer)
  yield* send.sendMessage(bytes(question))
  const answer = yield* receive.next
  yield* send.finish
  return textOf(answer)
})
