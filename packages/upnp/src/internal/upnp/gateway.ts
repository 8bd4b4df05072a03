import type { GatewayProtocolError } from "@qp2p/core/PortMapperError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as http from "./http.ts"
import type * as soap from "./soap.ts"
import * as xml from "./xml.ts"

/** In the order in which they are preferred. */
const serviceTypes = [
  "urn:schemas-upnp-org:service:WANIPConnection:2",
  "urn:schemas-upnp-org:service:WANIPConnection:1",
  "urn:schemas-upnp-org:service:WANPPPConnection:1"
]

const Description = Schema.Struct({
  root: Schema.Struct({ device: Schema.Unknown, URLBase: Schema.optional(Schema.String) })
})
const Device = Schema.Struct({
  deviceList: Schema.optional(Schema.Unknown),
  serviceList: Schema.optional(Schema.Unknown)
})
const Service = Schema.Struct({ serviceType: Schema.String, controlURL: Schema.NonEmptyString })

type Service = typeof Service.Type

const decodeDescription = Schema.decodeUnknownOption(Description)
const decodeDevice = Schema.decodeUnknownOption(Device)
const decodeService = Schema.decodeUnknownOption(Service)

/** Reads the gateway's description and finds the service that maps ports. */
export const describe = Effect.fnUntraced(function* (
  location: string,
  timeout: Duration.Input
): Effect.fn.Return<soap.Control, http.HttpError, HttpClient.HttpClient> {
  const url = yield* httpUrl(location, location)
  const gateway = url.host
  const answer = yield* http.send(HttpClientRequest.get(url), { gateway, timeout })
  const description = Option.flatMap(xml.parse(answer.body), decodeDescription)
  if (answer.status !== 200 || Option.isNone(description)) {
    return yield* http.protocolError(gateway, `a description that cannot be read (HTTP ${answer.status})`)
  }
  const { device, URLBase } = description.value.root
  const found = servicesOf(device)
  const service = serviceTypes.flatMap((type) => found.filter((_) => _.serviceType === type))[0]
  if (service === undefined) return yield* http.protocolError(gateway, "it has no service that maps ports")
  const base = URLBase ? yield* httpUrl(URLBase, gateway, url) : url
  const control = yield* httpUrl(service.controlURL, gateway, base)
  // Else whoever answers a search could make this process send requests to any host that it can reach.
  if (control.hostname !== url.hostname) {
    return yield* http.protocolError(gateway, `its control URL is on another host, ${control.host}`)
  }
  return { gateway, url: control, service: service.serviceType, timeout }
})

const httpUrl = (input: string, gateway: string, base?: URL): Effect.Effect<URL, GatewayProtocolError> =>
  Effect.suspend(() => {
    const url = URL.canParse(input, base?.href) ? new URL(input, base) : undefined
    return url?.protocol === "http:"
      ? Effect.succeed(url)
      : Effect.fail(http.protocolError(gateway, `not an http URL: ${input.slice(0, 200)}`))
  })

/** All services of a device and of the devices in it, wherever the gateway put them. */
const servicesOf = (root: unknown): ReadonlyArray<Service> => {
  const found: Array<Service> = []
  const devices = toArray(root)
  for (let device = devices.pop(); device !== undefined; device = devices.pop()) {
    const decoded = decodeDevice(device)
    if (Option.isNone(decoded)) continue
    devices.push(...children(decoded.value.deviceList, "device"))
    for (const service of children(decoded.value.serviceList, "service")) {
      found.push(...Option.toArray(decodeService(service)))
    }
  }
  return found
}

const children = (list: unknown, name: string): Array<unknown> =>
  toArray(list).flatMap((item) =>
    typeof item === "object" && item !== null && Object.hasOwn(item, name)
      ? toArray((item as Record<string, unknown>)[name])
      : []
  )

/** An element that occurs once is parsed to itself, one that occurs twice to an array. */
const toArray = (item: unknown): Array<unknown> => (Array.isArray(item) ? [...item] : item === undefined ? [] : [item])
