import type { GatewayProtocolError } from "@qp2p/core/PortMapperError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as http from "./http.ts"
import * as xml from "./xml.ts"

/** A service of the gateway that takes actions. `gateway` is its host and port, for errors. */
export interface Control {
  readonly gateway: string
  readonly url: URL
  readonly service: string
  readonly timeout: Duration.Input
}

/** An action and its arguments, in order; a gateway may refuse them in another order. */
export interface Action {
  readonly name: string
  readonly args: ReadonlyArray<readonly [name: string, value: string | number | undefined]>
}

/** The gateway understood the action and refused it. */
export class Fault extends Schema.TaggedError<Fault>("@qp2p/upnp/internal/soap/Fault")("Fault", {
  code: Schema.Int,
  description: Schema.String
}) {}

export type CallError = Fault | http.HttpError

const Envelope = Schema.Struct({ Envelope: Schema.Struct({ Body: Schema.Record(Schema.String, Schema.Unknown) }) })

const UpnpFault = Schema.Struct({
  detail: Schema.Struct({
    UPnPError: Schema.Struct({
      // Not as a number: an empty one would be 0.
      errorCode: Schema.String.check(Schema.isPattern(/^\d{1,9}$/)),
      errorDescription: Schema.optional(Schema.Unknown)
    })
  })
})

const decodeEnvelope = Schema.decodeUnknownOption(Envelope)
const decodeFault = Schema.decodeUnknownOption(UpnpFault)

const envelope = (service: string, { name, args }: Action): string =>
  '<?xml version="1.0"?>\r\n' +
  '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"' +
  ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
  `<u:${name} xmlns:u="${xml.escape(service)}">` +
  args.map(([arg, value]) => `<${arg}>${xml.escape(String(value ?? ""))}</${arg}>`).join("") +
  `</u:${name}></s:Body></s:Envelope>\r\n`

/**
 * Asks for an action and gives the content of its response element: an object, or an empty string if it has none. Only
 * a well-formed fault is a `Fault`; every other answer is a protocol error.
 */
export const call = Effect.fnUntraced(function* (
  control: Control,
  action: Action
): Effect.fn.Return<unknown, CallError, HttpClient.HttpClient> {
  const request = HttpClientRequest.post(control.url).pipe(
    HttpClientRequest.setHeader("soapaction", `"${control.service}#${action.name}"`),
    HttpClientRequest.bodyText(envelope(control.service, action), 'text/xml; charset="utf-8"')
  )
  const answer = yield* http.send(request, control)
  const body = Option.flatMap(xml.parse(answer.body), decodeEnvelope)
  if (Option.isNone(body)) return yield* malformed(control, action, answer.status)
  const { Fault: fault, [`${action.name}Response`]: response } = body.value.Envelope.Body
  if (fault !== undefined) {
    const decoded = decodeFault(fault)
    if (Option.isNone(decoded)) return yield* malformed(control, action, answer.status)
    const { errorCode, errorDescription } = decoded.value.detail.UPnPError
    const description = typeof errorDescription === "string" ? errorDescription.slice(0, 200) : ""
    return yield* new Fault({ code: Number(errorCode), description })
  }
  if (answer.status !== 200 || response === undefined) return yield* malformed(control, action, answer.status)
  return response
})

const malformed = (control: Control, action: Action, status: number): GatewayProtocolError =>
  http.protocolError(control.gateway, `no answer to ${action.name} that can be read (HTTP ${status})`)
