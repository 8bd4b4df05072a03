/**
 * What the compiler is to know of typed messages. A wrong type fails `tsc -b`; at run time this only shows that the module loads.
 */
import { describe, expectTypeOf, it } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EndpointStopped } from "../src/ConnectionError.ts"
import type { Endpoint } from "../src/Endpoint.ts"
import type { InvalidArgument } from "../src/InvalidArgument.ts"
import * as Messages from "../src/Messages.ts"
import type { ProtocolRefused, ProtocolTaken } from "../src/ProtocolError.ts"
import type { SendError, SerializationError } from "../src/SendError.ts"

interface Key {
  readonly _: unique symbol
}

describe("typed messages", () => {
  it("have the values of their schemas, and the errors of each operation", () => {
    const make = () => Messages.make("m", { message: Schema.Date, answer: Schema.FiniteFromString })
    type Made = Effect.Success<ReturnType<typeof make>>
    expectTypeOf<ReturnType<typeof make>>().toEqualTypeOf<
      Effect.Effect<Messages.Messages<Date, number>, ProtocolTaken, Endpoint | Scope.Scope>
    >()
    expectTypeOf<Parameters<Made["send"]>[1]>().toEqualTypeOf<Date>()
    expectTypeOf<ReturnType<Made["send"]>>().toEqualTypeOf<
      Effect.Effect<void, SendError | ProtocolRefused | Messages.MessageRefused>
    >()
    expectTypeOf<ReturnType<Made["ask"]>>().toEqualTypeOf<
      Effect.Effect<number, SendError | ProtocolRefused | Messages.MessageRefused | Messages.AskTimedOut>
    >()
    expectTypeOf<Made["incoming"]>().toEqualTypeOf<Stream.Stream<Messages.Incoming<Date, number>>>()
    expectTypeOf<Made["next"]>().toEqualTypeOf<Effect.Effect<Messages.Incoming<Date, number>, EndpointStopped>>()
    expectTypeOf<Messages.Incoming<Date, number>["reply"]>().toEqualTypeOf<
      (answer: number) => Effect.Effect<void, SerializationError>
    >()
  })

  it("without answers have none", () => {
    const make = () => Messages.make("m", { message: Schema.String })
    type Made = Effect.Success<ReturnType<typeof make>>
    expectTypeOf<Made>().toEqualTypeOf<Messages.Messages<string>>()
    expectTypeOf<Effect.Success<ReturnType<Made["ask"]>>>().toEqualTypeOf<never>()
    expectTypeOf<Parameters<Messages.Incoming<string>["reply"]>>().toEqualTypeOf<[answer: never]>()
  })

  it("need the services of their schemas, and a client no scope", () => {
    const make = (message: Schema.Codec<string, string, Key>) => Messages.make("m", { message })
    expectTypeOf<Effect.Services<ReturnType<typeof make>>>().toEqualTypeOf<Endpoint | Scope.Scope | Key>()
    const makeClient = () => Messages.makeClient("m", { message: Schema.String })
    expectTypeOf<ReturnType<typeof makeClient>>().toEqualTypeOf<
      Effect.Effect<Messages.MessagesClient<string>, InvalidArgument, Endpoint>
    >()
  })
})
