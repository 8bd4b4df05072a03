/** The UPnP request for the gateway's external address. */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as http from "./http.ts"
import * as soap from "./soap.ts"

const decode = Schema.decodeUnknownOption(Schema.Struct({ newexternalipaddress: Schema.String }))

/** Requests the gateway's external address. A gateway without a connection often answers `0.0.0.0` or an empty text. */
export const ask = Effect.fnUntraced(function* (
  control: soap.Control,
  action: soap.Action
): Effect.fn.Return<NetAddress.Ipv4Address, soap.CallError> {
  const answer = yield* soap.call(control, action)
  const text = Option.getOrElse(
    Option.map(decode(answer), (_) => _.newexternalipaddress),
    () => ""
  )
  const address = NetAddress.ipv4FromString(text)
  if (Result.isFailure(address) || !NetAddress.isUnicast(address.success)) {
    return yield* http.protocolError(control.gateway, `its external address is ${JSON.stringify(text.slice(0, 64))}`)
  }
  return address.success
})
