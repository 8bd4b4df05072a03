/** The description of an InternetGatewayDevice, and its paths. */
import type { Device } from "./device.ts"

/** The path of the device description in the URL that the search answer names. */
export const descriptionPath = "/rootDesc.xml"

/** The description exists in every directory, so that a test can choose what its URLs are relative to. */
export const isDescriptionPath = (path: string): boolean => path.endsWith(descriptionPath)

/** The control path changes with each start, as on routers that draw it at random. */
export const controlPath = ({ boots }: Device) => `/ctl/${boots}/IPConn`

/** The control path of the service whose connection is down. */
export const idlePath = ({ boots }: Device) => `/ctl/${boots}/Idle`

/** The service type of WANIPConnection in version `version`. */
export const serviceType = (version: number) => `urn:schemas-upnp-org:service:WANIPConnection:${version}`

/** The type of the service that maps ports, as the description states it. */
export const serviceOf = ({ misbehaviours, version }: Device) =>
  misbehaviours.peek("ServiceType")?.type ?? serviceType(version)

/** The device type of an InternetGatewayDevice in version `version`. */
export const deviceType = (version: number) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`

const service = (type: string, controlUrl: string) =>
  `<service><serviceType>${type}</serviceType><serviceId>urn:upnp-org:serviceId:${type.split(":").at(-2)}1</serviceId>` +
  `<SCPDURL>/scpd.xml</SCPDURL><controlURL>${escape(controlUrl)}</controlURL><eventSubURL>/events</eventSubURL></service>`

const device = (type: string, content: string) =>
  `<device><deviceType>${type}</deviceType><friendlyName>Fake router</friendlyName><manufacturer>nobody</manufacturer>` +
  `<modelName>none</modelName><UDN>uuid:00000000-0000-0000-0000-000000000000</UDN>${content}</device>`

const services = (...all: ReadonlyArray<string>) => `<serviceList>${all.join("")}</serviceList>`

const devices = (...all: ReadonlyArray<string>) => `<deviceList>${all.join("")}</deviceList>`

/** A device that maps no ports. */
export const otherDevice = device("urn:schemas-upnp-org:device:Printer:1", "")

/** Makes the device description of a router as XML, with the misbehaviours that a test has asked for. */
export const describe = (router: Device): string => {
  const { misbehaviours, version } = router
  const control = misbehaviours.take(["ControlUrl"])?.url ?? controlPath(router)
  const base = misbehaviours.take(["UrlBase"])?.url
  const none = misbehaviours.take(["NoService"]) !== undefined
  const type = serviceOf(router)
  const idle = misbehaviours.peek("IdleService") === undefined ? [] : [service(type, idlePath(router))]
  const mapping = [...idle, service(type, control)]
  const atRoot = misbehaviours.take(["ServiceAtRoot"]) !== undefined
  const connection = device(
    `urn:schemas-upnp-org:device:WANConnectionDevice:${version}`,
    none || atRoot ? services() : services(...mapping)
  )
  const depth = misbehaviours.take(["DeepDevices"])?.depth ?? 0
  const wan = device(
    `urn:schemas-upnp-org:device:WANDevice:${version}`,
    services(service("urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1", "/ctl/CmnIfCfg")) + devices(connection)
  )
  const inside = "<deviceList><device>".repeat(depth) + devices(wan) + "</device></deviceList>".repeat(depth)
  const root = device(
    deviceType(version),
    services(service("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/ctl/L3F"), ...(atRoot ? mapping : [])) +
      inside
  )
  return (
    `<?xml version="1.0"?>\r\n<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major>` +
    `<minor>${version === 1 ? 0 : 1}</minor></specVersion>${base === undefined ? "" : `<URLBase>${escape(base)}</URLBase>`}` +
    `${root}</root>\r\n`
  )
}

const entities: ReadonlyArray<readonly [char: string, entity: string]> = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&apos;"]
]

/** Escapes the special characters of XML in a text. */
export const escape = (text: string): string =>
  entities.reduce((escaped, [char, entity]) => escaped.replaceAll(char, entity), text)

/** Replaces the five predefined entities of XML by their characters. */
export const unescape = (text: string): string =>
  entities.reduceRight((plain, [char, entity]) => plain.replaceAll(entity, char), text)
