// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import { ipFromStringUnsafe } from "effect/net/NetAddress"
import { interfaces } from "../../../src/internal/udp/interfaces.ts"
import { Zones } from "../../../src/internal/udp/zones.ts"
import type { NetworkInterface } from "@qp2p/core/Transport"
import { address } from "../../support/quicSockets.ts"

const setup = (interfaces: ReadonlyArray<NetworkInterface>, platform: NodeJS.Platform = "linux") => {
  let reads = 0
  const zones = new Zones(() => {
    reads += 1
    return interfaces
  }, platform)
  return { zones, reads: () => reads }
}

const ipv6 = (name: string, ip: string, scopeId: number): NetworkInterface => ({
  name,
  address: ipFromStringUnsafe(ip),
  prefixLength: 64,
  scopeId
})

const eth0: ReadonlyArray<NetworkInterface> = [
  ipv6("lo", "::1", 0),
  ipv6("eth0", "fe80::9", 4),
  ipv6("eth0", "2001:db8::9", 0)
]

describe("the zone of a link-local address", () => {
  it("that the system names by its interface is the number that addresses have", () => {
    const { reads, zones } = setup(eth0)
    for (let i = 0; i < 3; i++) assert.strictEqual(zones.plain("fe80::1%eth0"), "fe80::1%4")
    assert.strictEqual(zones.plain("fe80::1%7"), "fe80::1%7")
    assert.strictEqual(zones.plain("2001:db8::1"), "2001:db8::1")
    assert.strictEqual(zones.plain("192.0.2.7"), "192.0.2.7")
    assert.strictEqual(reads(), 1)
  })

  it.each(["linux", "darwin"] as const)("is the name of its interface to %s", (platform) => {
    const { zones } = setup(eth0, platform)
    assert.strictEqual(zones.hostOf(address("[fe80::1%4]:9")), "fe80::1%eth0")
    assert.strictEqual(zones.hostOf(address("[fe80::1]:9")), "fe80::1")
    assert.strictEqual(zones.hostOf(address("192.0.2.7:9")), "192.0.2.7")
  })

  it("is its number to Windows, whose interfaces have names in the user's language", () => {
    const { zones } = setup([ipv6("Ethernet (Büro) 2", "fe80::9", 12)], "win32")
    assert.strictEqual(zones.hostOf(address("[fe80::1%12]:9")), "fe80::1%12")
    assert.strictEqual(zones.plain("fe80::1%12"), "fe80::1%12")
    assert.throws(() => zones.hostOf(address("[fe80::1%5]:9")), /no interface has the zone 5/)
  })

  it("is found when its interface is new, and an error when there is none", () => {
    const interfaces = [...eth0]
    const { zones } = setup(interfaces)
    assert.throws(() => zones.hostOf(address("[fe80::1%5]:9")), /no interface has the zone 5/)
    interfaces.push(ipv6("eth1", "fe80::9", 5))
    assert.strictEqual(zones.hostOf(address("[fe80::1%5]:9")), "fe80::1%eth1")
    interfaces.push(ipv6("eth2", "fe80::9", 6))
    assert.strictEqual(zones.plain("fe80::1%eth2"), "fe80::1%6")
    assert.strictEqual(zones.plain("fe80::1%gone"), "fe80::1")
  })

  it("is none when the interfaces cannot be read", () => {
    const notHere = () => {
      throw new Error("not here")
    }
    const zones = new Zones(() => interfaces(notHere))
    assert.strictEqual(zones.plain("fe80::1%eth0"), "fe80::1")
  })
})
