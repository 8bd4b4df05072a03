import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ProtocolStream } from "../src/ProtocolStream.ts"
import { onNetwork, pair, peer } from "./support/memoryEndpoints.ts"
import { bytes, textOf } from "./support/values.ts"

const textFrom = (stream: ProtocolStream) =>
  Effect.map(Stream.runCollect(stream.read), (chunks) => textOf(new Uint8Array(Buffer.concat(chunks))))

describe("a protocol", () => {
  it.effect("answers on the stream that opened it", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* two.serveProtocol("echo", (stream) =>
          Effect.flatMap(textFrom(stream), (text) => stream.write(bytes(`${text}!`), { fin: true }))
        )
        const stream = yield* one.openProtocol(peer, "echo")
        yield* stream.write(bytes("hello"), { fin: true })
        assert.strictEqual(yield* textFrom(stream), "hello!")
      })
    )
  )
})
