/**
 * Resolves the host names of peers, with Effect's `AddressResolver` if the program provides one.
 */
import * as Effect from "effect/Effect"
import type * as AddressResolver from "effect/net/AddressResolver"
import * as Host from "effect/net/Host"
import * as Option from "effect/Option"
import { InvalidAddress } from "../../ConnectionError.ts"
import type { LookUp } from "./dials.ts"

/** Makes the function that resolves names. */
export const lookUpWith =
  (resolver: Option.Option<AddressResolver.AddressResolver["Service"]>): LookUp =>
  (name) => {
    const input = Host.formatHostPort(name)
    if (Option.isNone(resolver)) {
      const detail = "a host name needs an AddressResolver, which is not provided"
      return Effect.fail(new InvalidAddress({ input, detail }))
    }
    return Effect.mapError(
      resolver.value.resolve(name),
      ({ message }) => new InvalidAddress({ input, detail: `the name was not resolved: ${message}` })
    )
  }
