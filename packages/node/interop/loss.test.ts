/**
 * Handshakes that lose a datagram. quic-go sends 1-RTT packets in its first flight, which another endpoint of this library does
 * not: what is acknowledged in the last datagram of a dial then hides that this datagram was lost.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { endpoint, onLoopback } from "../test/support/quicEndpoints.ts"
import { at } from "../test/support/quicSockets.ts"
import { relay } from "../test/support/udpPeers.ts"
import * as QuicGo from "./QuicGo.ts"
import { ask } from "./ask.ts"

const losses = (["the dialler", "the listener"] as const).flatMap((sender) =>
  [1, 2, 3, 4].map((number) => [number, sender] as const)
)

/** A relay to a server that loses one datagram of one side. */
const lossy = Effect.fnUntraced(function* (server: () => number, [number, sender]: (typeof losses)[number]) {
  const way = yield* relay(server)
  let seen = 0
  const allButOne = () => {
    seen += 1
    return seen !== number
  }
  if (sender === "the dialler") way.filter = allButOne
  else way.filterBack = allButOne
  return { address: at(way.port), hasLostIt: () => seen >= number }
})

describe("a dial of quic-go", () => {
  it.live.each(losses)("is complete there, too, when datagram %i of %s is lost and nothing is sent", (loss) =>
    Effect.gen(function* () {
      const go = yield* QuicGo.start()
      const { address, hasLostIt } = yield* lossy(() => go.address.port, loss)
      // Nothing but the handshake itself may repair it.
      const here = yield* endpoint({ keepAliveInterval: Duration.infinity })
      yield* here.connectTo(address)
      yield* go.waitFor({ event: "accepted" })
      go.send("in-1", "welcome")
      assert.strictEqual(textOf((yield* here.nextMessage).payload), "welcome")
      do assert.strictEqual(yield* ask(here, address, "marco"), "MARCO")
      while (!hasLostIt())
    }).pipe(onLoopback)
  )
})

describe("a dial by quic-go", () => {
  it.live.each(losses)("is complete here, too, when datagram %i of %s is lost and nothing is sent", (loss) =>
    Effect.gen(function* () {
      const go = yield* QuicGo.start()
      const here = yield* endpoint({ keepAliveInterval: Duration.infinity })
      const { address, hasLostIt } = yield* lossy(() => here.localAddress.port, loss)
      go.dial("out", address)
      yield* go.waitFor({ event: "connected" })
      const { remoteAddress } = yield* here.nextConnection
      do yield* here.sendMessage(bytes("welcome"), remoteAddress)
      while (!hasLostIt())
      yield* go.waitFor({ event: "message", text: "welcome" })
    }).pipe(onLoopback)
  )
})
