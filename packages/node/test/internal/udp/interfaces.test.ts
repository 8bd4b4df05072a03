/**
 * The interfaces of a machine as `os.networkInterfaces` tells them on several systems.
 */
import { assert, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import type { networkInterfaces } from "node:os"
import { interfaces } from "../../../src/internal/udp/interfaces.ts"

type Read = ReturnType<typeof networkInterfaces>

const read = (told: Record<string, ReadonlyArray<object> | undefined>) =>
  interfaces(() => told as unknown as Read).map(
    ({ address, name, prefixLength, scopeId }) => `${name} ${NetAddress.formatIp(address)}/${prefixLength}%${scopeId}`
  )

it("of Windows have names in the user's language, and zones that are numbers", () => {
  const told = {
    "LAN-Verbindung* 2": [
      {
        address: "fe80::1c2b:aff:fe00:1",
        family: "IPv6",
        cidr: "fe80::1c2b:aff:fe00:1/64",
        scopeid: 12,
        internal: false
      },
      { address: "169.254.8.1", family: "IPv4", cidr: "169.254.8.1/16", internal: false }
    ],
    "Loopback Pseudo-Interface 1": [{ address: "127.0.0.1", family: "IPv4", cidr: "127.0.0.1/8", internal: true }]
  }
  assert.deepStrictEqual(read(told), [
    "LAN-Verbindung* 2 fe80::1c2b:aff:fe00:1/64%12",
    "LAN-Verbindung* 2 169.254.8.1/16%0",
    "Loopback Pseudo-Interface 1 127.0.0.1/8%0"
  ])
})

it("of macOS include tunnels and a link-local address of the loopback", () => {
  const told = {
    lo0: [
      { address: "127.0.0.1", family: "IPv4", cidr: "127.0.0.1/8", internal: true },
      { address: "fe80::1", family: "IPv6", cidr: "fe80::1/64", scopeid: 1, internal: true }
    ],
    utun3: [{ address: "fe80::ce81:b1c:bd2c:69e", family: "IPv6", cidr: "fe80::ce81:b1c:bd2c:69e/64", scopeid: 17 }]
  }
  assert.deepStrictEqual(read(told), ["lo0 127.0.0.1/8%0", "lo0 fe80::1/64%1", "utun3 fe80::ce81:b1c:bd2c:69e/64%17"])
})

it("with a netmask that Node makes nothing of, and with none at all, are single addresses", () => {
  const told = {
    tun0: [{ address: "10.8.0.2", family: "IPv4", cidr: null }],
    ppp0: undefined,
    odd: [
      { address: "fe80::1%en0", family: "IPv6", cidr: null, scopeid: 4 },
      { address: "?", family: "IPv4", cidr: null }
    ]
  }
  assert.deepStrictEqual(read(told), ["tun0 10.8.0.2/32%0", "odd fe80::1/128%4"])
})

it("are none where the system does not tell, as on Android", () => {
  const refused = (): Read => {
    throw Object.assign(new Error("uv_interface_addresses returned Unknown system error 13"), {
      code: "ERR_SYSTEM_ERROR"
    })
  }
  assert.deepStrictEqual(interfaces(refused), [])
})
