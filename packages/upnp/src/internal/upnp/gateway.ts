/** A gateway's description, and its services that map ports. */
import type { GatewayProtocolError } from "@qp2p/core/PortMapperError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as http from "./http.ts"
import * as locations from "./locations.ts"
import type { Found } from "./ssdp.ts"
import type * as soap from "./soap.ts"
import * as xml from "./xml.ts"

/** A service that maps ports, with every URL that its control URL may stand for; the likelier ones first. */
export type WanService = readonly [soap.Control, ...ReadonlyArray<soap.Control>]

/** The maximum number of services that are used: a gateway has few connections. */
const maxServices = 4

const Description = Schema.Struct({
  root: Schema.Struct({ device: Schema.Unknown, urlbase: Schema.optional(Schema.Unknown) })
})
const Device = Schema.Struct({
  devicelist: Schema.optional(Schema.Unknown),
  servicelist: Schema.optional(Schema.Unknown)
})
const Service = Schema.Struct({ servicetype: Schema.String, controlurl: Schema.NonEmptyString })

type Service = typeof Service.Type

const decodeDescription = Schema.decodeUnknownOption(Description)
const decodeDevice = Schema.decodeUnknownOption(Device)
const decodeService = Schema.decodeUnknownOption(Service)

/** Reads the gateway's description and returns the services that map ports, the preferred ones first. */
export const describe = Effect.fnUntraced(function* (
  found: Found,
  timeout: Duration.Input
): Effect.fn.Return<ReadonlyArray<WanService>, http.HttpError> {
  const [first, ...others] = yield* locations.of(found)
  const read = yield* Effect.result(describeAt(first, timeout))
  if (Result.isSuccess(read)) return read.success
  for (const url of others) {
    const again = yield* Effect.result(describeAt(url, timeout))
    if (Result.isSuccess(again)) return again.success
  }
  return yield* read.failure
})

const describeAt = Effect.fnUntraced(function* (
  url: URL,
  timeout: Duration.Input
): Effect.fn.Return<ReadonlyArray<WanService>, http.HttpError> {
  return yield* read(url, yield* http.send({ method: "GET", url }, { gateway: url.host, timeout }), timeout)
})

/** Reads the description that was sent from a URL, and returns its services that map ports, the preferred ones first. */
export const read = Effect.fnUntraced(function* (
  url: URL,
  answer: http.Answer,
  timeout: Duration.Input
): Effect.fn.Return<ReadonlyArray<WanService>, GatewayProtocolError> {
  const gateway = url.host
  const description = Option.flatMap(xml.parse(answer.body), decodeDescription)
  if (answer.status !== 200 || Option.isNone(description)) {
    const reason = answer.shortfall ?? `a description that cannot be read (HTTP ${answer.status})`
    return yield* http.protocolError(gateway, reason)
  }
  const { device, urlbase } = description.value.root
  const services = servicesOf(device)
    .flatMap((service) => {
      const rank = rankOf(service.servicetype)
      return rank === undefined ? [] : [{ rank, service }]
    })
    .toSorted((a, b) => a.rank - b.rank)
    .slice(0, maxServices)
  if (services.length === 0) return yield* http.protocolError(gateway, "it has no service that maps ports")
  const base = typeof urlbase === "string" ? urlbase : undefined
  const controls = services.map(({ service }) =>
    Result.map(locations.controlUrls(service.controlurl, url, base), (urls) => {
      const control = (url: URL): soap.Control => ({ gateway, url, service: service.servicetype, timeout })
      const [first, ...others] = urls
      return [control(first), ...others.map(control)] as const
    })
  )
  const usable = controls.filter(Result.isSuccess).map(({ success }) => success)
  const refused = controls.find(Result.isFailure)
  return usable.length === 0 && refused !== undefined ? yield* http.protocolError(gateway, refused.failure) : usable
})

/**
 * The rank of a service type, 0 being the most preferred; undefined when it does not map ports. Case, version and the
 * defining organisation are ignored: old routers name the DSL Forum. The type becomes a line of a request, so it has no blanks.
 */
const rankOf = (type: string): number | undefined => {
  const [, kind = "", version] =
    /^urn:[^:\s\p{Cc}]{1,64}:service:(WANIPConnection|WANPPPConnection)(?::(\d{1,3}))?$/iu.exec(type) ?? []
  switch (kind.toLowerCase()) {
    case "wanipconnection":
      return version === "2" ? 0 : 1
    case "wanpppconnection":
      return 2
    default:
      return undefined
  }
}

/** All services of a device and its embedded devices, wherever the description has them. */
const servicesOf = (root: unknown): ReadonlyArray<Service> => {
  const found: Array<Service> = []
  const devices = toArray(root)
  for (let device = devices.pop(); device !== undefined; device = devices.pop()) {
    const decoded = decodeDevice(device)
    if (Option.isNone(decoded)) continue
    devices.push(...children(decoded.value.devicelist, "device").toReversed())
    for (const service of children(decoded.value.servicelist, "service")) {
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

/** The XML parser returns an element that occurs once as itself, and one that occurs several times as an array. */
const toArray = (item: unknown): Array<unknown> => (Array.isArray(item) ? [...item] : item === undefined ? [] : [item])
