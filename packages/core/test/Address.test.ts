import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Address from "../src/Address.ts"
import type { NetworkInterface } from "../src/Transport.ts"
import { address } from "./support/values.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const octets = Schema.Array(between(0, 255)).check(Schema.isMinLength(16), Schema.isMaxLength(16))
const port = between(0, 65_535)
const scopeId = between(0, 0xffffffff)

const ip = NetAddress.ipFromStringUnsafe

const on = (name: string, own: string, prefixLength: number, scopeId = 0): NetworkInterface => ({
  name,
  address: ip(own),
  prefixLength,
  scopeId
})

const interfaces = () => [
  on("lo", "127.0.0.1", 8),
  on("eth0", "192.0.2.2", 24),
  on("eth0", "2001:db8::2", 64),
  on("eth0", "fe80::2", 64, 2),
  on("wlan0.100", "fe80::3", 64, 3),
  on("tun0", "10.0.0.7", 30),
  on("ptp0", "10.0.1.2", 31),
  on("host0", "10.0.2.255", 32)
]

const formatted = (text: string) => Result.map(Address.fromString(text, interfaces), NetAddress.formatInet)

/** The second half of the reason: what is wrong. */
const problem = (text: string): string => {
  const result = Address.fromString(text, interfaces)
  if (Result.isSuccess(result)) return assert.fail(`${text} is an address`)
  assert.strictEqual(result.failure._tag, "InvalidAddress")
  assert.strictEqual(result.failure.input, text)
  const expected = "expected host:port such as 127.0.0.1:4433 or [::1]:4433; "
  assert.isTrue(result.failure.detail.startsWith(expected))
  return result.failure.detail.slice(expected.length)
}

describe("a text that is an address", () => {
  it("has one form", () => {
    for (const [text, form] of [
      ["192.0.2.7:443", "192.0.2.7:443"],
      ["192.0.2.7:0", "192.0.2.7:0"],
      ["[::ffff:192.0.2.7]:443", "192.0.2.7:443"],
      ["[2001:DB8:0::1]:443", "[2001:db8::1]:443"],
      ["[fe80::1]:443", "[fe80::1]:443"],
      ["[fe80::1%2]:443", "[fe80::1%2]:443"],
      ["[fe80::1%eth0]:443", "[fe80::1%2]:443"],
      ["[fe80::1%wlan0.100]:443", "[fe80::1%3]:443"]
    ] as const) {
      assert.deepStrictEqual(formatted(text), Result.succeed(form), text)
    }
  })

  it.prop("is what it was written from", { isV4: Schema.Boolean, octets, port, scopeId }, (parts) => {
    const bytes = Uint8Array.from(parts.octets)
    const address = parts.isV4
      ? NetAddress.ipv4FromBytesUnsafe(bytes.subarray(0, 4))
      : NetAddress.ipv6FromBytesUnsafe(bytes)
    const inet = NetAddress.inetAddressFromInputUnsafe({
      address,
      port: parts.port,
      scopeId: parts.isV4 ? 0 : parts.scopeId
    })
    const canonical = NetAddress.toCanonical(inet)
    assert.deepStrictEqual(Address.fromString(NetAddress.formatInet(inet)), Result.succeed(canonical))
  })

  it.prop("is the same by the name of an interface as by its number", { octets, port }, ({ octets, port }) => {
    const host = NetAddress.formatIp(NetAddress.ipv6FromBytesUnsafe(Uint8Array.from(octets)))
    const byName = Address.fromString(`[${host}%eth0]:${port}`, interfaces)
    assert.deepStrictEqual(byName, Address.fromString(`[${host}%2]:${port}`))
    assert.isTrue(Result.isSuccess(byName))
  })
})

describe("a text that is none", () => {
  const kinds: ReadonlyArray<readonly [text: string, problem: string]> = [
    ["", "it is empty"],
    ["  ", "it is empty"],
    ["127.0.0.1", "the port is missing"],
    ["127.0.0.1:", "the port is missing"],
    ["[::1]", "the port is missing"],
    ["[::1]:", "the port is missing"],
    ["127.0.0.1:65536", "the port 65536 is more than 65535"],
    ["[::1]:99999", "the port 99999 is more than 65535"],
    ["127.0.0.1:-1", "the port -1 is no number"],
    ["127.0.0.1:4433/", "the port 4433/ is no number"],
    ["127.0.0.1:0x10", "the port 0x10 is no number"],
    ["127.0.0.1:1.5", "the port 1.5 is no number"],
    ["127.0.0.1:04433", "the port 04433 begins with 0"],
    ["::1", "an IPv6 address has brackets, and the port comes after them"],
    ["::1:4433", "an IPv6 address has brackets, and the port comes after them"],
    ["2001:db8:0:0:0:0:0:1:4433", "an IPv6 address has brackets, and the port comes after them"],
    ["fe80::1%eth0:4433", "an IPv6 address has brackets, and the port comes after them"],
    ["127.0.0.1:4433:4434", "there are too many colons"],
    ["[::1:4433", "the closing bracket is missing"],
    ["[::1]4433", "a colon and the port come after the bracket"],
    ["[127.0.0.1]:4433", "only IPv6 addresses have brackets"],
    ["[]:4433", "the IP address is missing"],
    ["[::g]:4433", "::g is no IPv6 address"],
    ["[localhost]:4433", "localhost is no IPv6 address"],
    [":4433", "the IP address is missing"],
    ["4433", "4433 is no IPv4 address"],
    ["localhost", "localhost is no IP address"],
    ["localhost:4433", "localhost is no IP address"],
    ["peer.example.org:4433", "peer.example.org is no IP address"],
    ["127.0.0:4433", "127.0.0 is no IPv4 address"],
    ["127.0.0.256:4433", "127.0.0.256 is no IPv4 address"],
    ["127.0.0.01:4433", "127.0.0.01 is no IPv4 address"],
    ["127.0.0.1%eth0:4433", "only IPv6 addresses have zones"],
    ["[fe80::1%]:4433", "the zone after % is missing"],
    ["[fe80::1%eth1]:4433", "this machine has no interface eth1 with IPv6"],
    ["[fe80::1%tun0]:4433", "this machine has no interface tun0 with IPv6"],
    ["[fe80::1%4294967296]:4433", "4294967296 is no zone"],
    ["[fe80::1%eth1]", "the port is missing"],
    ["udp://127.0.0.1:4433", "leave udp:// away"],
    ["http://[::1]:4433/", "leave http:// away"],
    [" 127.0.0.1:4433", "there is white space in it"],
    ["127.0.0.1: 4433", "there is white space in it"],
    ["127.0.0.1:4433\n", "there is white space in it"]
  ]

  for (const [text, expected] of kinds) {
    it(`${JSON.stringify(text)} says that ${expected}`, () => {
      assert.strictEqual(problem(text), expected)
    })
  }

  it.prop("says what is wrong with any other text", { text: Schema.String }, ({ text }) => {
    if (Result.isFailure(NetAddress.inetAddressFromString(text))) assert.notStrictEqual(problem(text), "")
  })

  const pieces = Schema.Array(
    Schema.Literals([
      "127.0.0.1",
      "::1",
      "fe80::",
      "[",
      "]",
      ":",
      "%",
      "eth0",
      "2",
      "4433",
      "0",
      ".",
      " ",
      "udp://",
      "-"
    ])
  ).check(Schema.isMaxLength(6))

  it.prop("says what is wrong with it, also when it is nearly one", { pieces }, ({ pieces }) => {
    const text = pieces.join("")
    const result = Address.fromString(text, interfaces)
    if (Result.isFailure(result)) assert.match(result.failure.detail, /^expected host:port .*; .+/su)
    // What is taken is what it says.
    else assert.deepStrictEqual(formatted(NetAddress.formatInet(result.success)), formatted(text))
  })
})

describe("an address to dial", () => {
  const undiallable = (text: string) => Address.undiallable(address(text), interfaces)

  it("is that of one host", () => {
    for (const text of [
      "127.0.0.1:1",
      "127.0.0.2:1",
      "192.0.2.3:1",
      "192.0.2.254:1",
      "192.0.3.255:1",
      "223.255.255.255:1",
      "240.0.0.1:1",
      "[::1]:1",
      "[fe80::1]:1",
      "[2001:db8::ffff]:1",
      "[::ffff:192.0.2.7]:1",
      // Networks of so few hosts have no broadcast address.
      "10.0.1.3:1",
      "10.0.2.255:1"
    ]) {
      assert.isUndefined(undiallable(text), text)
    }
  })

  it("is not that of no host, of a multicast group, or of every host", () => {
    for (const [text, reason] of [
      ["127.0.0.1:0", "port 0 cannot be dialled"],
      ["0.0.0.0:1", "the unspecified address belongs to no host"],
      ["[::]:1", "the unspecified address belongs to no host"],
      ["[::ffff:0.0.0.0]:1", "the unspecified address belongs to no host"],
      ["224.0.0.1:1", "a multicast address is a group's, and not one peer's"],
      ["239.255.255.255:1", "a multicast address is a group's, and not one peer's"],
      ["[ff02::1]:1", "a multicast address is a group's, and not one peer's"],
      ["[::ffff:224.0.0.1]:1", "a multicast address is a group's, and not one peer's"],
      ["255.255.255.255:1", "the broadcast address is everybody's, and not one peer's"],
      ["[::ffff:255.255.255.255]:1", "the broadcast address is everybody's, and not one peer's"],
      ["192.0.2.255:1", "the broadcast address of eth0 is everybody's there, and not one peer's"],
      ["127.255.255.255:1", "the broadcast address of lo is everybody's there, and not one peer's"],
      ["10.0.0.7:1", "the broadcast address of tun0 is everybody's there, and not one peer's"]
    ] as const) {
      assert.strictEqual(undiallable(text), reason, text)
    }
  })

  it("may be the broadcast address of a network that nothing is known of", () => {
    assert.isUndefined(Address.undiallable(address("192.0.2.255:1")))
  })
})

describe("an address to bind", () => {
  it("is that of one host, or the wildcard", () => {
    for (const text of ["0.0.0.0:0", "[::]:0", "127.0.0.1:0", "[fe80::1%2]:1", "169.254.0.1:1", "[2001:db8::1]:1"]) {
      assert.isUndefined(Address.unbindable(address(text)), text)
    }
  })

  it("is not that of a group or of everybody, and a link-local one says of which interface", () => {
    for (const [text, reason] of [
      ["224.0.0.1:0", "a multicast address is a group's, and not one peer's"],
      ["[ff02::1%2]:0", "a multicast address is a group's, and not one peer's"],
      ["255.255.255.255:0", "the broadcast address is everybody's, and not one peer's"],
      ["[fe80::1]:4433", "a link-local address needs the zone of its interface, as in [fe80::1%eth0]:4433"]
    ] as const) {
      assert.strictEqual(Address.unbindable(address(text)), reason, text)
    }
  })
})
