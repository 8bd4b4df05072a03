/**
 * Which of a gateway's services to ask: one may be idle before another that works, and one that works may refuse.
 */
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { reachOf } from "../reach.ts"
import type { GatewayError } from "./candidates.ts"
import * as externalAddress from "./externalAddress.ts"
import { errorOf } from "./faults.ts"
import type { WanService } from "./gateway.ts"
import type * as soap from "./soap.ts"

type Use<A> = (control: soap.Control, address: NetAddress.Ipv4Address) => Effect.Effect<A, GatewayError>

/**
 * Hands over the services one after the other until one does it: as soon as one is known to have an address of the
 * internet, and then the others that have any. Only answers that make no sense let a service pass: what is known to be
 * taken, forbidden or silent is so at the others, too. Fails with what a service was refused for, or else with why the
 * first had no address.
 */
export const firstOf = Effect.fnUntraced(function* <A>(
  services: ReadonlyArray<WanService>,
  askAddress: soap.Action,
  use: Use<A>
): Effect.fn.Return<A, GatewayError> {
  const others: Array<readonly [soap.Control, NetAddress.Ipv4Address]> = []
  let refusal: GatewayError | undefined
  let noAddress: GatewayError | undefined
  const attempt = Effect.fnUntraced(function* (control: soap.Control, address: NetAddress.Ipv4Address) {
    const result = yield* Effect.result(use(control, address))
    if (Result.isFailure(result)) {
      refusal ??= result.failure
      if (result.failure._tag !== "GatewayProtocolError") return yield* refusal
    }
    return result
  })
  for (const service of services) {
    const found = yield* Effect.result(addressAt(service, askAddress))
    if (Result.isFailure(found)) {
      noAddress ??= found.failure
      if (found.failure._tag === "PortMapperTimedOut") break
    } else if (reachOf(found.success.address) === "Public") {
      const result = yield* attempt(found.success.control, found.success.address)
      if (Result.isSuccess(result)) return result.success
    } else {
      others.push([found.success.control, found.success.address])
    }
  }
  for (const [control, address] of others) {
    const result = yield* attempt(control, address)
    if (Result.isSuccess(result)) return result.success
  }
  return yield* refusal ?? noAddress ?? Effect.die(new Error("a gateway without services"))
})

/** Asks at one URL after the other until there is one where the service is: it answers, or at least refuses. */
const addressAt = Effect.fnUntraced(function* (
  service: WanService,
  askAddress: soap.Action
): Effect.fn.Return<{ readonly control: soap.Control; readonly address: NetAddress.Ipv4Address }, GatewayError> {
  let failure: GatewayError | undefined
  for (const control of service) {
    const found = yield* Effect.result(externalAddress.ask(control, askAddress))
    if (Result.isSuccess(found)) return { control, address: found.success }
    const error = errorOf(control, 0, found.failure)
    if (found.failure._tag !== "Unreadable" && found.failure._tag !== "GatewayUnreachable") return yield* error
    failure ??= error
  }
  return yield* failure ?? Effect.die(new Error("a service without a URL"))
})
