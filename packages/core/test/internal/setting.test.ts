import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { defaults, EndpointConfig } from "../../src/EndpointConfig.ts"
import { fromText } from "../../src/internal/setting.ts"

const FromText = fromText(EndpointConfig)

it.effect("settings are read from text, and not written as text", () =>
  Effect.gen(function* () {
    const read = yield* Schema.decodeUnknownEffect(FromText)({ forwardPort: "yes", messageBuffer: "7" })
    assert.deepStrictEqual(read, { ...defaults, forwardPort: true, messageBuffer: 7 })
    const error = yield* Effect.flip(Schema.encodeUnknownEffect(FromText)(read))
    assert.include(String(error), "settings are not written as text")
  })
)
