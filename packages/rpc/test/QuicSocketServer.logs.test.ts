/** What a socket server logs of callers that go away. */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as QuicSocket from "../src/QuicSocket.ts"
import * as QuicSocketServer from "../src/QuicSocketServer.ts"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

describe("a socket server", () => {
  it.effect("warns of a handler that fails, and not of a peer that is lost", () => {
    const warnings: Array<string> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
    return Effect.gen(function* () {
      const { two } = yield* places.Pair
      const server = yield* Effect.provideService(QuicSocketServer.make(), Endpoint.Endpoint, two)
      let ended = 0
      yield* Effect.forkScoped(
        server.run((socket) =>
          Effect.gen(function* () {
            const { pull } = yield* socket.reader
            yield* pull
            yield* pull
            return yield* Effect.fail("failed")
          }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => ended++)))
        )
      )
      const say = (caller: places.Service) =>
        Effect.gen(function* () {
          const socket = yield* Effect.provideService(QuicSocket.make(two.peerAddress), Endpoint.Endpoint, caller)
          yield* socket.reader
          const { write } = yield* socket.writer
          yield* write("a")
          yield* office.turns(200)
          return { more: write("b") }
        })
      const three = yield* places.another("10.0.0.3:3")
      yield* say(three)
      yield* three.close
      yield* office.until(() => ended === 1)
      yield* office.turns(50)
      assert.deepStrictEqual(warnings, [])

      const four = yield* places.another("10.0.0.4:4")
      const { more } = yield* say(four)
      yield* more
      yield* office.until(() => ended === 2 && warnings.length > 0)
      assert.lengthOf(warnings, 1)
    }).pipe(office.onNetwork, Effect.provide(Logger.layer([logger])))
  })
})
