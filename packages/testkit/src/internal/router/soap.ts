/** The actions of WANIPConnection:1 and :2 (UPnP Forum) that mapping ports needs. */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { Action } from "../../Misbehaviour.ts"
import { controlPath, escape, idlePath, serviceOf, unescape } from "./description.ts"
import type { Device } from "./device.ts"
import type { Kept, Transport } from "./table.ts"

/** An HTTP reply to a SOAP action: its status and its XML. */
export interface Reply {
  readonly status: number
  readonly body: string
}

const faults = {
  401: "Invalid Action",
  402: "Invalid Args",
  501: "ActionFailed",
  606: "Action not authorized",
  713: "SpecifiedArrayIndexInvalid",
  714: "NoSuchEntryInArray",
  718: "ConflictInMappingEntry",
  725: "OnlyPermanentLeasesSupported"
}

const faultText = new Map<number, string>(Object.entries(faults).map(([code, text]) => [Number(code), text]))

/** The longest lease of version 2, in seconds. A request for a permanent mapping gets it. */
const longestLease = 604_800

const actions: ReadonlyArray<Action> = [
  "GetExternalIPAddress",
  "AddPortMapping",
  "DeletePortMapping",
  "GetSpecificPortMappingEntry"
]

/** Whether the fake router implements the action `name`. */
export const isAction = (name: string): name is Action => actions.some((action) => action === name)

/** The arguments of an action, in the order of the request. */
export const argumentsOf = (body: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...body.matchAll(/<(New\w+)(?:\s[^>]*)?>([^<]*)<\/\1>/gu)].map(([, name = "", value = ""]) => [
      name,
      unescape(value)
    ])
  )

const envelope = (content: string): string =>
  `<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ` +
  `s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>${content}</s:Body></s:Envelope>\r\n`

const answer = (router: Device, action: Action, values: Readonly<Record<string, string | number>> = {}): Reply => ({
  status: 200,
  body: envelope(
    `<u:${action}Response xmlns:u="${serviceOf(router)}">` +
      Object.entries(values)
        .map(([name, value]) => `<${name}>${escape(String(value))}</${name}>`)
        .join("") +
      `</u:${action}Response>`
  )
})

const fault = (code: number | string, text = faultText.get(Number(code)) ?? "Error", status = 500): Reply => ({
  status,
  body: envelope(
    `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>` +
      `<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode>` +
      `<errorDescription>${text}</errorDescription></UPnPError></detail></s:Fault>`
  )
})

/** The service that maps ports, and one of the same type whose connection is down. */
export type Service = "Connected" | "Idle"

/** Returns the service whose control URL has the path `path`; undefined for other paths. */
export const serviceAt = (router: Device, path: string): Service | undefined => {
  if (path === controlPath(router)) return "Connected"
  return path === idlePath(router) && router.misbehaviours.peek("IdleService") !== undefined ? "Idle" : undefined
}

/** A request for an action, with the address that it came from. */
export interface Asked {
  readonly name: string
  readonly service: string
  /** The service that was asked. */
  readonly at: Service
  readonly arguments: Readonly<Record<string, string>>
  readonly from: string
}

/** Carries out an action on the mappings of a router, and returns the result or a UPnP fault. */
export const carryOut = (router: Device, asked: Asked): Reply => {
  const { name } = asked
  if (!isAction(name) || asked.service !== serviceOf(router).trim()) return fault(401)
  const { misbehaviours } = router
  const port = Number(asked.arguments["NewExternalPort"])
  const told = misbehaviours.take(
    ["Fault"],
    (misbehaviour) => misbehaviour.at === name && (misbehaviour.port === undefined || misbehaviour.port === port)
  )
  if (told !== undefined) return fault(told.code, undefined, told.status)
  const broken = misbehaviours.take(["BrokenFault"], ({ at }) => at === name)
  if (broken !== undefined) {
    const { body, status } = fault(broken.code)
    return { status, body: body.replace("</errorDescription>", "<\u0000\u0007rrorDescription>") }
  }
  if (asked.at === "Idle") return answerIdle(router, name)
  if (misbehaviours.take(["FaultWithoutCode"], ({ at }) => at === name) !== undefined) return fault("")
  const reply = handlers[name](router, asked)
  if (misbehaviours.take(["WrongAnswer"], ({ at }) => at === name) === undefined) return reply
  return answer(router, name === "AddPortMapping" ? "DeletePortMapping" : "AddPortMapping")
}

/**
 * The answers of the service whose connection is down: it reports an address that cannot be reached, and maps no ports.
 */
const answerIdle = (router: Device, name: Action): Reply =>
  name === "GetExternalIPAddress"
    ? answer(router, name, { NewExternalIPAddress: router.misbehaviours.peek("IdleService")?.address ?? "0.0.0.0" })
    : fault(501)

const transports = new Set(["UDP", "TCP"])

const isTransport = (text: string | undefined): text is Transport => text !== undefined && transports.has(text)

const isHost = (text: string) => Result.isSuccess(NetAddress.ipv4FromString(text))

const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= 65_535

/** The mapping that the arguments name; undefined when they are incomplete. */
const keyOf = ({ arguments: given }: Asked) => {
  const [transport, externalPort] = [given["NewProtocol"], Number(given["NewExternalPort"])]
  return isTransport(transport) && isPort(externalPort) ? { transport, externalPort } : undefined
}

const addPortMapping = (router: Device, asked: Asked): Reply => {
  const given = asked.arguments
  const key = keyOf(asked)
  const host = given["NewInternalClient"] ?? ""
  const [port, wanted] = [Number(given["NewInternalPort"]), Number(given["NewLeaseDuration"] || Number.NaN)]
  if (key === undefined || !isPort(port) || !isHost(host) || !Number.isInteger(wanted) || wanted < 0) return fault(402)
  if (router.secure && host !== asked.from) return fault(606)
  if (wanted > 0 && router.misbehaviours.take(["OnlyPermanentLeases"]) !== undefined) return fault(725)
  const refused = wanted > 0 ? router.misbehaviours.take(["LeaseRefused"]) : undefined
  if (refused !== undefined) return fault(refused.code)
  const description = given["NewPortMappingDescription"] ?? ""
  const tooLong = router.misbehaviours.take(["DescriptionLimit"], ({ length }) => description.length > length)
  if (tooLong !== undefined) return fault(tooLong.code)
  const known = router.table.at(key.transport, key.externalPort)
  if (known !== undefined && known.host !== host) return fault(router.misbehaviours.take(["ConflictCode"])?.code ?? 718)
  const limited = wanted === 0 || wanted > longestLease ? longestLease : wanted
  const lease = router.version === 1 ? wanted || Infinity : limited
  router.keep({ ...key, host, port, lease, description, by: "UPnP", nonce: "" })
  return answer(router, "AddPortMapping")
}

const onEntry = (router: Device, asked: Asked, use: (row: Kept) => Reply): Reply => {
  const key = keyOf(asked)
  if (key === undefined) return fault(402)
  const row = router.table.at(key.transport, key.externalPort)
  return row === undefined ? fault(714) : use(row)
}

const handlers: Record<Action, (router: Device, asked: Asked) => Reply> = {
  GetExternalIPAddress: (router) =>
    answer(router, "GetExternalIPAddress", { NewExternalIPAddress: router.externalText() }),
  AddPortMapping: addPortMapping,
  DeletePortMapping: (router, asked) =>
    onEntry(router, asked, (row) => {
      if (router.secure && row.host !== asked.from) return fault(606)
      router.table.remove(row)
      return answer(router, "DeletePortMapping")
    }),
  GetSpecificPortMappingEntry: (router, asked) =>
    onEntry(router, asked, (row) =>
      answer(router, "GetSpecificPortMappingEntry", {
        NewInternalPort: row.port,
        NewInternalClient: row.host,
        NewEnabled: 1,
        NewPortMappingDescription: row.description,
        NewLeaseDuration: router.leftOf(row)
      })
    )
}
