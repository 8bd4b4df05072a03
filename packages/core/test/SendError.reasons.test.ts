/**
 * An error that another one caused carries it as `reason`, so that Effect's functions for reasons find it.
 */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ApplicationClosed, LocallyClosed } from "../src/Close.ts"
import { ConnectionClosed, ConnectionTimedOut, TooManyConnections } from "../src/ConnectionError.ts"
import { EndpointEchoError, EndpointVerificationError } from "../src/EndpointError.ts"
import { RpcTimedOut } from "../src/RpcError.ts"
import { ConnectionLost, SerializationError, StreamLost } from "../src/SendError.ts"
import { StreamClosed, StreamReset, StreamStopped } from "../src/StreamError.ts"
import { address } from "./support/values.ts"

const peer = address("192.0.2.1:1")

const sendMessage = (error: ConnectionLost | StreamLost | SerializationError): Effect.Effect<string, typeof error> =>
  Effect.fail(error)

describe("the reason of an error", () => {
  it.effect("is found by catchReason, which leaves the error with other reasons", () =>
    Effect.gen(function* () {
      const caught = (error: ConnectionLost | StreamLost | SerializationError) =>
        sendMessage(error).pipe(
          Effect.catchReason("ConnectionLost", "TooManyConnections", ({ limit }) => Effect.succeed(`limit ${limit}`)),
          Effect.catchReason("StreamLost", "StreamStopped", ({ code }) => Effect.succeed(`stopped ${code}`)),
          Effect.catchReason("StreamLost", "StreamReset", ({ code }) => Effect.succeed(`reset ${code}`))
        )
      const tooMany = new ConnectionLost({ reason: new TooManyConnections({ limit: 3 }) })
      assert.strictEqual(yield* caught(tooMany), "limit 3")
      assert.strictEqual(yield* caught(new StreamLost({ reason: new StreamStopped({ code: 7 }) })), "stopped 7")
      assert.strictEqual(yield* caught(new StreamLost({ reason: new StreamReset({ code: 8 }) })), "reset 8")
      for (const other of [
        new ConnectionLost({ reason: new ConnectionTimedOut({ peer }) }),
        new StreamLost({ reason: new StreamClosed() }),
        new SerializationError({ detail: "no" })
      ]) {
        assert.strictEqual(yield* Effect.flip(caught(other)), other)
      }
    })
  )

  it.effect("is found by catchReasons, for several at once", () =>
    Effect.gen(function* () {
      const caught = (error: ConnectionLost | StreamLost | SerializationError) =>
        sendMessage(error).pipe(
          Effect.catchReasons("StreamLost", {
            StreamStopped: ({ code }) => Effect.succeed(`stopped ${code}`),
            StreamReset: ({ code }) => Effect.succeed(`reset ${code}`),
            StreamClosed: () => Effect.succeed("closed")
          })
        )
      assert.deepStrictEqual(
        yield* Effect.forEach(
          [new StreamStopped({ code: 1 }), new StreamReset({ code: 2 }), new StreamClosed()],
          (reason) => caught(new StreamLost({ reason }))
        ),
        ["stopped 1", "reset 2", "closed"]
      )
    })
  )

  it.effect("is what unwrapReason makes of the error", () =>
    Effect.gen(function* () {
      const reason = new RpcTimedOut({ peer })
      const asked: Effect.Effect<void, EndpointEchoError> = Effect.fail(new EndpointEchoError({ peer, reason }))
      const unwrapped = Effect.unwrapReason(asked, "EndpointEchoError")
      expectTypeOf<Effect.Error<typeof unwrapped>>().toEqualTypeOf<EndpointEchoError["reason"]>()
      assert.strictEqual(yield* Effect.flip(unwrapped), reason)
      const verified: Effect.Effect<void, EndpointVerificationError> = Effect.fail(
        new EndpointVerificationError({ peer, reason })
      )
      assert.strictEqual(yield* Effect.flip(Effect.unwrapReason(verified, "EndpointVerificationError")), reason)
    })
  )

  it.effect("of a connection that was closed is its Close", () =>
    Effect.gen(function* () {
      const caught = (error: ConnectionClosed) =>
        Effect.fail(error).pipe(
          Effect.as(""),
          Effect.catchReason("ConnectionClosed", "ApplicationClosed", ({ code, detail }) =>
            Effect.succeed(`${code} ${detail}`)
          )
        )
      const close = new ApplicationClosed({ code: 20, detail: "bye" })
      assert.strictEqual(yield* caught(new ConnectionClosed({ peer, close })), "20 bye")
      const locally = new ConnectionClosed({ peer, close: new LocallyClosed() })
      assert.strictEqual(yield* Effect.flip(caught(locally)), locally)
    })
  )
})
