/** A peer that refuses a dial by a TLS alert: that does not get better. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as packetHeader from "../src/internal/packets/packetHeader.ts"
import { bytes } from "../../core/test/support/values.ts"
import { endpoint, onLoopback } from "../test/support/quicEndpoints.ts"
import { at } from "../test/support/quicSockets.ts"
import { relay } from "../test/support/udpPeers.ts"
import * as QuicGo from "./QuicGo.ts"

/** A way to a peer that counts the dials to it: each has an id of its own. */
const counted = Effect.fnUntraced(function* (peer: QuicGo.QuicGo) {
  const way = yield* relay(() => peer.address.port)
  const dials = new Set<string>()
  way.filter = (packet) => {
    const header = packetHeader.parseLongHeader(packet)
    if (packetHeader.isLongHeader(packet) && header !== undefined) dials.add(Buffer.from(header.scid).toString("hex"))
    return true
  }
  return { address: at(way.port), dials }
})

describe("a dial that quic-go refuses is not tried again", () => {
  it.live("when it speaks another protocol", () =>
    Effect.gen(function* () {
      const { address, dials } = yield* counted(yield* QuicGo.start("-protocol", "other/1"))
      const here = yield* endpoint({ retryDuration: "2 seconds" })
      const error = yield* Effect.flip(here.connectTo(address))
      assert.strictEqual(error._tag, "VersionMismatch")
      assert.strictEqual(dials.size, 1)
    }).pipe(onLoopback)
  )

  it.live("when it does not accept the certificate, which it says when the dial is complete here", () =>
    Effect.gen(function* () {
      const { address, dials } = yield* counted(yield* QuicGo.start("-mistrustful"))
      const here = yield* endpoint({ retryDuration: "2 seconds" })
      const error = yield* Effect.flip(here.sendMessage(bytes("hello"), address))
      // CRYPTO_ERROR + the TLS alert bad_certificate.
      const code = error._tag === "ConnectionLost" && error.reason._tag === "TransportError" ? error.reason.code : error
      assert.strictEqual(code, 0x12a)
      assert.strictEqual(dials.size, 1)
    }).pipe(onLoopback)
  )
})
