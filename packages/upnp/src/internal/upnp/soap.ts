/** SOAP calls to a gateway's service. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as http from "./http.ts"
import * as xml from "./xml.ts"

/** A service of the gateway that takes actions. `gateway` is its host and port, for error messages. */
export interface Control {
  readonly gateway: string
  readonly url: URL
  readonly service: string
  readonly timeout: Duration.Input
}

/** An action and its arguments, in the order that UPnP defines: a gateway may refuse another order. */
export interface Action {
  readonly name: string
  readonly args: ReadonlyArray<readonly [name: string, value: string | number | undefined]>
}

/** The gateway understood the action and refused it. */
export class Fault extends Schema.TaggedError<Fault>("@qp2p/upnp/internal/soap/Fault")("Fault", {
  code: Schema.Int,
  description: Schema.String
}) {}

/** The gateway answered, and only the HTTP status could be understood. `detail` is worded to follow "answered:". */
export class Unreadable extends Schema.TaggedError<Unreadable>("@qp2p/upnp/internal/soap/Unreadable")("Unreadable", {
  status: Schema.Int,
  detail: Schema.String
}) {}

/** The errors of a SOAP call: a UPnP fault, an answer that is no SOAP, or a failed HTTP request. */
export type CallError = Fault | Unreadable | http.HttpError

const Envelope = Schema.Struct({ envelope: Schema.Struct({ body: Schema.Record(Schema.String, Schema.Unknown) }) })

const UpnpFault = Schema.Struct({
  detail: Schema.Struct({
    upnperror: Schema.Struct({
      // Not as a number: an empty text would become 0. Vendors have codes below zero.
      errorcode: Schema.String.check(Schema.isPattern(/^-?\d{1,9}$/)),
      errordescription: Schema.optional(Schema.Unknown)
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
 * Calls an action and returns the content of its response element: an object with names in lower case, or an empty
 * string. Namespaces and the HTTP status of a fault are ignored, because routers differ in both.
 */
export const call = Effect.fnUntraced(function* (
  control: Control,
  action: Action
): Effect.fn.Return<unknown, CallError> {
  const answer = yield* http.send(
    {
      method: "POST",
      url: control.url,
      headers: [
        ["Content-Type", 'text/xml; charset="utf-8"'],
        ["SOAPAction", `"${control.service}#${action.name}"`]
      ],
      body: envelope(control.service, action)
    },
    control
  )
  return yield* read(action, answer)
})

/** Reads an answer to an action: see `call`. */
export const read = (action: Action, answer: http.Answer): Effect.Effect<unknown, Fault | Unreadable> => {
  const body = Option.flatMap(xml.parse(answer.body), decodeEnvelope)
  if (Option.isNone(body)) return Effect.fail(codeInPieces(answer.body) ?? unreadable(action, answer))
  const { fault, [`${action.name.toLowerCase()}response`]: response } = body.value.envelope.body
  if (fault !== undefined) {
    const decoded = decodeFault(fault)
    if (Option.isNone(decoded)) return Effect.fail(unreadable(action, answer))
    const { errorcode, errordescription } = decoded.value.detail.upnperror
    const description = typeof errordescription === "string" ? errordescription.slice(0, 200) : ""
    return Effect.fail(new Fault({ code: Number(errorcode), description }))
  }
  if (answer.status !== 200 || response === undefined) return Effect.fail(unreadable(action, answer))
  return Effect.succeed(response)
}

const unreadable = (action: Action, { shortfall, status }: http.Answer): Unreadable =>
  new Unreadable({ status, detail: shortfall ?? `no answer to ${action.name} that can be read (HTTP ${status})` })

/** The error code of a fault that is truncated or malformed after the code. */
const codeInPieces = (text: string): Fault | undefined => {
  const code = /<(?:[\w-]{1,20}:)?errorCode>\s{0,20}(-?\d{1,9})\s{0,20}<\//i.exec(text)?.[1]
  return code === undefined ? undefined : new Fault({ code: Number(code), description: "" })
}
