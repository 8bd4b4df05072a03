/** UPnP's search (SSDP; UPnP Device Architecture 1.1, section 1.3), without its multicast group. */
import { deviceType, serviceOf, serviceType } from "./description.ts"
import type { Device } from "./device.ts"
import { styled } from "./heads.ts"

const response = (target: string | undefined, location: string | undefined) =>
  [
    "HTTP/1.1 200 OK",
    "CACHE-CONTROL: max-age=120",
    ...(target === undefined
      ? ["USN: uuid:00000000-0000-0000-0000-000000000000"]
      : [`ST: ${target}`, `USN: uuid:00000000-0000-0000-0000-000000000000::${target}`]),
    "EXT:",
    "SERVER: Fake/1.0 UPnP/1.1 FakeRouter/1.0",
    ...(location === undefined ? [] : [`LOCATION: ${location}`]),
    "",
    ""
  ].join("\r\n")

/** The target of a search; undefined when the packet is none. */
const targetOf = (text: string): string | undefined =>
  text.startsWith("M-SEARCH ") ? /^ST:\s*(.*?)\s*$/imu.exec(text)?.[1] : undefined

/** The router's answers to a search, in order. Version 2 also answers searches for version 1. */
export const answers = (router: Device, text: string, location: string): ReadonlyArray<string> => {
  const target = targetOf(text)
  if (target === undefined || !router.speaks("UPnP")) return []
  router.journal.record("SSDP", "Search", { target })
  const known = router.misbehaviours.take(["SearchTargets"])?.targets ?? [
    "ssdp:all",
    "upnp:rootdevice",
    deviceType(1),
    serviceOf(router),
    ...(router.version === 2 ? [deviceType(2), serviceType(1)] : [])
  ]
  if (!known.includes(target)) return []
  const told = router.misbehaviours.take([
    "SilentSearch",
    "GarbageSearch",
    "SearchWithoutLocation",
    "SearchLocation",
    "ManyDevices",
    "SearchType",
    "SearchStyle"
  ])
  switch (told?._tag) {
    case undefined:
      return [response(target, location)]
    case "SilentSearch":
      return []
    case "GarbageSearch":
      return [`\u0000\u0001${"x".repeat(1_000)}`]
    case "SearchWithoutLocation":
      return [response(target, undefined)]
    case "SearchLocation":
      return [response(target, told.url)]
    case "SearchType":
      return [response(told.type, location)]
    case "SearchStyle":
      return [styled(response(target, location), told.style)]
    case "ManyDevices":
      return [
        ...Array.from({ length: told.count }, (_, i) => response(target, new URL(`/none/${i + 1}.xml`, location).href)),
        response(target, location)
      ]
  }
}
