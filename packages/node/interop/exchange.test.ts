/** What peers on another QUIC stack exchange with this library, either way. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { endpoint, onLoopback } from "../test/support/quicEndpoints.ts"
import * as QuicGo from "./QuicGo.ts"
import { ask } from "./ask.ts"

const mebibyte = 1 << 20

describe("with quic-go", () => {
  it.live("messages short and long go both ways over a connection that was dialled here", () =>
    Effect.gen(function* () {
      const go = yield* QuicGo.start()
      const here = yield* endpoint()
      yield* here.sendMessage(bytes("short"), go.address)
      yield* here.sendMessage(new Uint8Array(mebibyte).fill(0x61), go.address)
      yield* go.waitFor({ event: "message", text: "short" })
      yield* go.waitFor({ event: "message", bytes: mebibyte })
      assert.strictEqual(yield* ask(here, go.address, "marco"), "MARCO")
      go.send("in-1", "back", mebibyte / 4)
      assert.strictEqual(textOf((yield* here.nextMessage).payload), "back".repeat(mebibyte / 4))
    }).pipe(onLoopback)
  )

  it.live("messages short and long go both ways over a connection that was dialled there", () =>
    Effect.gen(function* () {
      const go = yield* QuicGo.start()
      const here = yield* endpoint()
      go.dial("out", here.localAddress)
      yield* go.waitFor({ event: "connected" })
      go.send("out", "short")
      const { peer, payload } = yield* here.nextMessage
      assert.strictEqual(String(peer), String(go.address))
      assert.strictEqual(textOf(payload), "short")
      go.ask("out", "marco")
      const { reply } = yield* here.nextMessage
      yield* Option.getOrThrow(reply).sendMessage(bytes("polo"))
      yield* go.waitFor({ event: "answer", text: "polo" })
      yield* here.sendMessage(new Uint8Array(mebibyte).fill(0x61), peer)
      yield* go.waitFor({ event: "message", connection: "out", bytes: mebibyte })
    }).pipe(onLoopback)
  )

  it.live("an endpoint bootstraps: its contact sees its address, and reaches it there", () =>
    Effect.gen(function* () {
      const go = yield* QuicGo.start()
      const here = yield* endpoint({}, [go.address])
      assert.deepStrictEqual(Option.map(here.bootstrapContact, String), Option.some(String(go.address)))
      assert.strictEqual(String(here.publicAddress), String(here.localAddress))
      yield* here.isReachable(go.address)
    }).pipe(onLoopback)
  )
})
