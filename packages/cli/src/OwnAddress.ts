/**
 * The text by which others find an endpoint: its id and its addresses.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Endpoint } from "@qp2p/core/Endpoint"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * Prints the line with the endpoint's `ID@host:port`, and again each time that its addresses change.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const tell = Effect.fnUntraced(function* (
  endpoint: Pick<Endpoint["Service"], "peerAddress" | "peerAddressChanges">,
  say: (line: string) => Effect.Effect<void>
) {
  let told = `${endpoint.peerAddress}`
  yield* say(`peer ${told}`)
  yield* endpoint.peerAddressChanges.pipe(
    Stream.runForEach((peer) => {
      if (`${peer}` === told) return Effect.void
      told = `${peer}`
      return say(`peer ${told}`)
    }),
    Effect.forkScoped
  )
})
