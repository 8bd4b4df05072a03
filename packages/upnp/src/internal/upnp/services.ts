/** Selects one of a gateway's services: one may be idle while another works, and one that works may refuse. */
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
 * Passes the services to `use`, one after the other, until one succeeds: those with a public address at once, then
 * those with another address. Only a `GatewayProtocolError` lets the next service try: a taken port, a refusal or
 * silence would be the same there. Fails with the refusal of a service, or with the reason why the first has no
 * address.
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

/** Tries the URLs of a service until one answers or refuses. */
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
