import { assert, describe, it } from "@effect/vitest"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { inspect } from "node:util"
import type { InvalidAddress } from "../src/ConnectionError.ts"
import * as PeerAddress from "../src/PeerAddress.ts"
import * as PeerId from "../src/PeerId.ts"
import type { NetworkInterface } from "../src/Transport.ts"
import { address } from "./support/values.ts"

const id = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkena" as PeerId.PeerId
const otherId = "hvabpq7iioevvevxbktu2g36xsojqlgpf3cjndgazvk7ckxumyga" as PeerId.PeerId

const interfaces = (): ReadonlyArray<NetworkInterface> => [
  { name: "eth0", address: NetAddress.ipFromStringUnsafe("192.0.2.2"), prefixLength: 24, scopeId: 0 },
  { name: "eth0", address: NetAddress.ipFromStringUnsafe("fe80::2"), prefixLength: 64, scopeId: 2 }
]

const parse = (text: string): PeerAddress.PeerAddress => {
  const result = PeerAddress.fromString(text, interfaces)
  return Result.isSuccess(result) ? result.success : assert.fail(result.failure.message)
}

const problemOf = (result: Result.Result<unknown, { readonly _tag: string; readonly detail: string }>): string => {
  if (Result.isSuccess(result)) return assert.fail(`${String(result.success)} is accepted`)
  assert.strictEqual(result.failure._tag, "InvalidAddress")
  assert.isTrue(result.failure.detail.startsWith(`${PeerAddress.expected}; `), result.failure.detail)
  return result.failure.detail.slice(PeerAddress.expected.length + 2)
}

describe("the text of a peer", () => {
  const kinds: ReadonlyArray<readonly [text: string, canonical: string]> = [
    [id, id],
    ["192.0.2.7:443", "192.0.2.7:443"],
    ["[2001:DB8:0::1]:443", "[2001:db8::1]:443"],
    ["peer.example.org:4433", "peer.example.org:4433"],
    ["localhost:1", "localhost:1"],
    [`${id}@192.0.2.7:443`, `${id}@192.0.2.7:443`],
    [`${id}@peer.example.org:4433,192.0.2.7:443,[::1]:65535`, `${id}@peer.example.org:4433,192.0.2.7:443,[::1]:65535`],
    // One form for each.
    ["[::ffff:192.0.2.7]:443", "192.0.2.7:443"],
    [`${id}@[::FFFF:192.0.2.7]:443`, `${id}@192.0.2.7:443`],
    ["[fe80::1%eth0]:443", "[fe80::1%2]:443"],
    [`${id}@[fe80::1%eth0]:443,[fe80::1%7]:1`, `${id}@[fe80::1%2]:443,[fe80::1%7]:1`],
    ["[fe80::1%0]:443", "[fe80::1]:443"],
    ["Peer.EXAMPLE.Org:4433", "peer.example.org:4433"],
    ["bücher.example:1", "xn--bcher-kva.example:1"],
    ["_qp2p._udp.example.org:1", "_qp2p._udp.example.org:1"],
    // The dot excludes search domains, so it is another name.
    ["peer.example.org.:4433", "peer.example.org.:4433"],
    [`${id}@A.example:1,a.EXAMPLE:1,a.example:2,A.EXAMPLE:2`, `${id}@a.example:1,a.example:2`],
    [`${id}@a.example:1,192.0.2.7:1,A.example:1`, `${id}@a.example:1,192.0.2.7:1`],
    [`${id}@[::ffff:192.0.2.7]:1,192.0.2.7:1`, `${id}@192.0.2.7:1`],
    // A name of the same length as an id, which is none.
    [`${"x".repeat(52)}:1`, `${"x".repeat(52)}:1`],
    [`${"a".repeat(50)}.example:1`, `${"a".repeat(50)}.example:1`]
  ]
  for (const [text, canonical] of kinds) {
    it(`${text.slice(0, 70)} is ${canonical.slice(0, 70)}`, () => {
      assert.strictEqual(String(parse(text)), canonical)
      assert.strictEqual(String(parse(canonical)), canonical)
    })
  }

  it("gives the id, and the addresses in their order", () => {
    const peer = parse(`${id}@b.example:2,192.0.2.7:1,[fe80::1%eth0]:3`)
    assert.deepStrictEqual(peer.peerId, Option.some(id))
    assert.deepStrictEqual(
      peer.addresses.map(({ host, port }) => [Host.formatHost(host), port]),
      [
        ["b.example", 2],
        ["192.0.2.7", 1],
        ["fe80::1%2", 3]
      ]
    )
    assert.isTrue(peer.addresses.every(Host.isHostPort))
    assert.isTrue(Object.isFrozen(peer) && Object.isFrozen(peer.addresses))
    assert.deepStrictEqual(parse("a.example:1").peerId, Option.none())
    assert.deepStrictEqual(parse(id).addresses, [])
  })

  it("is what it is shown as", () => {
    const text = `${id}@192.0.2.7:443`
    assert.strictEqual(`${parse(text)}`, text)
    assert.strictEqual(JSON.stringify({ peer: parse(text) }), `{"peer":"${text}"}`)
    assert.strictEqual(inspect(parse(text)), text)
  })

  it("asks for the interfaces only when a zone is a name", () => {
    let asked = 0
    const counted = () => {
      asked++
      return interfaces()
    }
    for (const text of [id, "192.0.2.7:1", "a.example:1", `${id}@[fe80::1%2]:1`]) PeerAddress.fromString(text, counted)
    assert.strictEqual(asked, 0)
    PeerAddress.fromString(`${id}@[fe80::1%eth0]:1`, counted)
    assert.strictEqual(asked, 1)
  })

  it("has no interfaces where callers without types pass something else", () => {
    for (const given of [null, 5, "eth0", () => 5, () => [null], () => assert.fail("it cannot tell")]) {
      assert.strictEqual(
        problemOf(PeerAddress.fromString("[fe80::1%eth0]:1", given as never)),
        "this machine has no interface eth0 with IPv6"
      )
    }
  })
})

describe("a text that is no peer", () => {
  const sixteen = Array.from({ length: 16 }, (_, i) => `192.0.2.7:${i + 1}`).join(",")
  const kinds: ReadonlyArray<readonly [text: string, problem: string]> = [
    ["", "it is empty"],
    [" \t\n", "it is empty"],
    [` ${id}`, "there is white space in it"],
    [`${id}@192.0.2.7:1 `, "there is white space in it"],
    [`${id}@192.0.2.7:1, 192.0.2.7:2`, "there is white space in it"],
    ["a.example:1 b.example:1", "there is white space in it"],
    ["a.example:1\u00a0", "there is white space in it"],
    [`qp2p://${id}@192.0.2.7:1`, "leave qp2p:// away"],
    ["udp://192.0.2.7:1", "leave udp:// away"],
    [`${id}@udp://192.0.2.7:1`, "leave udp:// away"],
    // Ids.
    [id.toUpperCase(), "a peer's id is in lower case"],
    [`${id.toUpperCase()}@192.0.2.7:1`, "a peer's id is in lower case"],
    [`${id.slice(1)}@192.0.2.7:1`, "a peer's id has 52 characters, not 51"],
    [`${id}a@192.0.2.7:1`, "a peer's id has 52 characters, not 53"],
    [id.slice(1), "a peer's id has 52 characters, not 51"],
    [`${id}a`, "a peer's id has 52 characters, not 53"],
    ["user@a.example:1", "a peer's id has 52 characters, not 4"],
    [`${id.slice(0, 51)}b`, `the last character of a peer's id is "a" or "q", not "b"`],
    [`0${id.slice(1)}@192.0.2.7:1`, `a peer's id has letters and the digits 2 to 7 only, not "0"`],
    [`${"a".repeat(52)}@192.0.2.7:1`, "the public key has a small order: anybody can sign for it"],
    ["@192.0.2.7:1", "the id before @ is missing"],
    ["@", "the id before @ is missing"],
    [`${id}@`, "the address after @ is missing"],
    [`${id}@192.0.2.7:1@`, "there is more than one @"],
    [`${id}@${otherId}@192.0.2.7:1`, "there is more than one @"],
    [`${id}@192.0.2.7:1,${otherId}@192.0.2.7:2`, "there is more than one @"],
    // An id in the place of a host.
    [`${id}:4433`, "an id is no host: @ and addresses follow it"],
    [`${id.toUpperCase()}:4433`, "an id is no host: @ and addresses follow it"],
    [`${id}@${otherId}:4433`, "an id is no host: @ and addresses follow it"],
    [`${id}@${otherId}`, "an id is no host: @ and addresses follow it"],
    [`${id},192.0.2.7:1`, "@ and addresses follow an id, not a comma"],
    // Commas.
    ["192.0.2.7:1,192.0.2.7:2", "only a peer with an id has several addresses"],
    ["192.0.2.7:1,", "only a peer with an id has several addresses"],
    [`${id}@,192.0.2.7:1`, "an address is missing"],
    [`${id}@192.0.2.7:1,`, "an address is missing"],
    [`${id}@192.0.2.7:1,,192.0.2.7:2`, "an address is missing"],
    [`${id}@192.0.2.7:1,192.0.2.7`, "192.0.2.7: the port is missing"],
    [`${id}@${sixteen},192.0.2.7:1`, "it has more than 16 addresses"],
    // Ports.
    ["192.0.2.7", "the port is missing"],
    ["192.0.2.7:", "the port is missing"],
    ["a.example", "the port is missing"],
    ["a.example:", "the port is missing"],
    ["[::1]", "the port is missing"],
    [`${id}@a.example`, "the port is missing"],
    ["192.0.2.7:0", "port 0 cannot be dialled"],
    ["[::1]:0", "port 0 cannot be dialled"],
    ["a.example:0", "port 0 cannot be dialled"],
    [`${id}@a.example:1,a.example:0`, "a.example:0: port 0 cannot be dialled"],
    ["a.example:65536", "the port 65536 is more than 65535"],
    ["a.example:http", "the port http is no number"],
    ["a.example:01", "the port 01 begins with 0"],
    ["a.example:-1", "the port -1 is no number"],
    ["a.example:1/", "the port 1/ is no number"],
    // IP addresses.
    ["192.0.2.256:1", "192.0.2.256 is no IPv4 address"],
    ["192.0.2:1", "192.0.2 is no IPv4 address"],
    ["4433", "4433 is no IPv4 address"],
    ["::1", "an IPv6 address has brackets, and the port comes after them"],
    ["::1:4433", "an IPv6 address has brackets, and the port comes after them"],
    ["a.example:1:2", "there are too many colons"],
    ["[192.0.2.7]:1", "only IPv6 addresses have brackets"],
    ["[a.example]:1", "a.example is no IPv6 address"],
    ["[::1:1", "the closing bracket is missing"],
    ["[fe80::1%eth1]:1", "this machine has no interface eth1 with IPv6"],
    ["192.0.2.7%eth0:1", "only IPv6 addresses have zones"],
    // Host names.
    [":4433", "the host is missing"],
    [`${id}@:4433`, "the host is missing"],
    [".:1", ". is no host name: it is the root of all names"],
    ["a..example:1", "a..example is no host name: domain name labels must not be empty"],
    ["a.example/:1", `a.example/ is no host name: it has "/"`],
    ["a b:1", "there is white space in it"],
    ["a!:1", `a! is no host name: it has "!"`],
    ["💥.example:1", `💥.example is no host name: it has "💥"`],
    [
      "-a.example:1",
      "-a.example is no host name: domain name labels must contain only letters, digits, hyphens, or underscores and must not start or end with a hyphen"
    ],
    ["0x7f000001:1", "0x7f000001 is no host name: the last domain name label must not be numeric"],
    ["１２７.0.0.1:1", "１２７.0.0.1 is no host name: the last domain name label must not be numeric"],
    [`${"a".repeat(64)}:1`, `${"a".repeat(64)} is no host name: domain name labels must be at most 63 characters`],
    [`${id}@${"a.".repeat(2_200)}:1`, "it has more than 4229 characters"],
    [`${id}@${"a.".repeat(1_100)}a:1,${"b.".repeat(1_100)}b:1`, "it has more than 4229 characters"],
    [" ".repeat(4_230), "it has more than 4229 characters"]
  ]
  for (const [text, expected] of kinds) {
    it(`${JSON.stringify(text).slice(0, 80)} says that ${expected}`, () => {
      const result = PeerAddress.fromString(text, interfaces)
      assert.strictEqual(problemOf(result), expected)
      assert.isTrue(Result.isFailure(result) && text.startsWith(result.failure.input.replace("…", "")))
      assert.isTrue(Result.isFailure(result) && result.failure.input.length <= PeerAddress.maxLength)
    })
  }

  it("is any value of another type", () => {
    for (const value of [undefined, null, 5, {}, [], ["192.0.2.7:1"], Symbol("x"), new Uint8Array(4)]) {
      const results: ReadonlyArray<Result.Result<unknown, InvalidAddress>> = [
        PeerAddress.fromString(value as never),
        PeerAddress.listFromString(value as never)
      ]
      for (const result of results) {
        assert.isTrue(Result.isFailure(result))
        assert.strictEqual(Result.isFailure(result) && result.failure.detail, PeerAddress.expected)
      }
      const other = PeerAddress.fromInput(value as never)
      assert.match(
        Result.isFailure(other) ? other.failure.detail : "",
        /^a peer is text such as .* or an InetAddress$/u
      )
    }
  })

  const pieces = [
    id,
    otherId,
    id.toUpperCase(),
    "@",
    ",",
    ":",
    "[",
    "]",
    "%",
    "eth0",
    "::1",
    "fe80::1",
    "192.0.2.7",
    "a.example",
    ".",
    "1",
    "0",
    "65535",
    "a",
    "ü",
    " ",
    "udp://",
    "-"
  ]

  it("says what is wrong, also when it is nearly one, and a text that is one is stable", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 9 }),
        (parts) => {
          const text = parts.join("")
          const result = PeerAddress.fromString(text, interfaces)
          if (Result.isFailure(result)) assert.notStrictEqual(problemOf(result), "")
          else assert.strictEqual(String(parse(String(result.success))), String(result.success))
        }
      ),
      { numRuns: 3_000 }
    )
  })
})

// --- round trips -----------------------------------------------------------------------------------------------------

const ids = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((key) => PeerId.fromPublicKey(key))
  .filter((each) => typeof each === "string")
const ports = fc.integer({ min: 1, max: 65_535 })
const labels = fc.stringMatching(/^[a-zA-Z_]([a-zA-Z0-9_-]{0,30}[a-zA-Z0-9_])?$/u)
const names = fc
  .tuple(fc.array(labels, { minLength: 1, maxLength: 6 }), fc.constantFrom("", "."))
  .map(([parts, dot]) => parts.join(".") + dot)
const inets = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean(), fc.integer({ min: 0, max: 0xffffffff }), ports)
  .map(([octets, isV4, scopeId, port]) =>
    NetAddress.inetAddressFromInputUnsafe({
      address: isV4 ? NetAddress.ipv4FromBytesUnsafe(octets.subarray(0, 4)) : NetAddress.ipv6FromBytesUnsafe(octets),
      port,
      scopeId: isV4 ? 0 : scopeId
    })
  )
const hosts = fc.oneof(
  inets.map((inet) => NetAddress.formatInet(inet)),
  fc.tuple(names, ports).map(([name, port]) => `${name}:${port}`)
)
const texts = fc.oneof(
  ids,
  hosts,
  fc
    .tuple(ids, fc.array(hosts, { minLength: 1, maxLength: 16 }))
    .map(([each, addresses]) => `${each}@${addresses.join(",")}`)
)

describe("a peer", () => {
  it("is what its text says, which is no longer than what is read", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const peer = parse(text)
        const again = parse(String(peer))
        assert.strictEqual(String(again), String(peer))
        assert.deepStrictEqual(again.peerId, peer.peerId)
        assert.deepStrictEqual(again.addresses, peer.addresses)
        assert.isTrue(Equal.equals(again, peer))
        assert.strictEqual(Hash.hash(again), Hash.hash(peer))
      })
    )
    const label = "a".repeat(63)
    const longest = Array.from({ length: 16 }, (_, i) => `${label}.${label}.${label}.${"a".repeat(61)}.:${65_535 - i}`)
    const text = `${id}@${longest.join(",")}`
    assert.isBelow(text.length, PeerAddress.maxLength)
    assert.strictEqual(String(parse(text)), text)
  })

  it("is made of its parts as its text is, for any parts", () => {
    fc.assert(
      fc.property(fc.option(ids), fc.array(fc.oneof(inets, hosts), { maxLength: 18 }), (peerId, addresses) => {
        const made = PeerAddress.make({ peerId: peerId ?? undefined, addresses }, interfaces)
        const isRight = peerId === null ? addresses.length === 1 : addresses.length <= 16
        assert.strictEqual(Result.isSuccess(made), isRight)
        if (Result.isFailure(made)) return
        assert.isTrue(Equal.equals(made.success, parse(String(made.success))))
        assert.deepStrictEqual(made.success.peerId, Option.fromNullishOr(peerId))
        const again = PeerAddress.make({ peerId: peerId ?? undefined, addresses: made.success.addresses })
        assert.strictEqual(String(Result.getOrThrow(again)), String(made.success))
      })
    )
  })

  it("is equal to another one when the texts are equal", () => {
    const same = [parse(`${id}@A.example:1`), parse(`${id}@a.example:1`)] as const
    assert.isTrue(Equal.equals(...same))
    assert.isTrue(new Set(same.map((each) => Hash.hash(each))).size === 1)
    for (const text of [id, "a.example:1", `${id}@a.example:2`, `${otherId}@a.example:1`, `${id}@a.example.:1`]) {
      assert.isFalse(Equal.equals(parse(text), same[0]), text)
      // Equal hashes are not enough, which `Equal.equals` compares first.
      assert.isFalse(parse(text)[Equal.symbol](same[0]), text)
    }
    assert.isFalse(Equal.equals(parse(`${id}@a:1,b:1`), parse(`${id}@b:1,a:1`)))
    assert.isFalse(Equal.equals(parse(id), id))
  })

  it("is known by what made it, and not by its looks", () => {
    assert.isTrue(PeerAddress.isPeerAddress(parse(id)))
    const { addresses, peerId } = parse(id)
    for (const value of [
      { addresses, peerId },
      id,
      null,
      undefined,
      Object.create(PeerAddress.PeerAddress.prototype)
    ]) {
      assert.isFalse(PeerAddress.isPeerAddress(value))
    }
  })
})

describe("a peer of its parts", () => {
  it("has the forms that text has", () => {
    const mapped = NetAddress.inetAddressUnsafe(NetAddress.ipFromStringUnsafe("::ffff:192.0.2.7"), 1)
    const named = Host.hostPortUnsafe("fe80::1%eth0" as Host.DomainName, 2)
    const made = PeerAddress.make({ peerId: id, addresses: [mapped, named, "B.example:3"] }, interfaces)
    assert.strictEqual(String(Result.getOrThrow(made)), `${id}@192.0.2.7:1,[fe80::1%2]:2,b.example:3`)
    assert.strictEqual(String(Result.getOrThrow(PeerAddress.make({ peerId: id }))), id)
  })

  const local = address("127.0.0.1:1")
  const cases: ReadonlyArray<readonly [options: unknown, detail: RegExp]> = [
    [{}, /; a peer without an id has one address, not 0$/u],
    [{ addresses: [] }, /; a peer without an id has one address, not 0$/u],
    [{ addresses: [local, local] }, /; a peer without an id has one address, not 2$/u],
    [{ peerId: id, addresses: Array.from({ length: 17 }, () => local) }, /; it has more than 16 addresses$/u],
    [{ peerId: id, addresses: ["192.0.2.7:1,192.0.2.7:2"] }, /; there are too many colons$/u],
    [{ addresses: [`${id}@192.0.2.7:1`] }, /is no host name: it has "@"$/u],
    [{ peerId: id, addresses: [""] }, /; an address is missing$/u],
    [{ peerId: id, addresses: ["a.example:1", ""] }, /; an address is missing$/u],
    [{ peerId: id, addresses: [address("127.0.0.1:0")] }, /; port 0 cannot be dialled$/u],
    [{ addresses: [id] }, /; an id is no host: @ and addresses follow it$/u],
    [{ addresses: [" 192.0.2.7:1"] }, /is no host name: it has " "$/u],
    [{ addresses: ["a".repeat(5_000)] }, /; it has more than 4229 characters$/u],
    [{ peerId: "192.0.2.7:1" }, /^options.peerId must be a PeerId, got/u],
    [{ peerId: id.toUpperCase() }, /^options.peerId must be a PeerId, got/u],
    [{ peerId: id, addresses: "192.0.2.7:1" }, /^options.addresses must be an array, got/u],
    [{ peerId: id, adresses: [] }, /^options.adresses is an unknown option/u],
    [{ peerId: id, addresses: [5] }, /^expected host:port/u],
    [{ peerId: id, addresses: [null, undefined] }, /^expected host:port/u],
    [null, /^options must be an object, got null$/u]
  ]
  for (const [options, detail] of cases) {
    it(`is none of ${inspect(options, { breakLength: Infinity }).slice(0, 90)}`, () => {
      const result = PeerAddress.make(options as never)
      assert.match(Result.isFailure(result) ? result.failure.detail : String(result.success), detail)
    })
  }
})

describe("what operations take", () => {
  it("is text, an id, a peer, or an address", () => {
    const peer = parse(`${id}@192.0.2.7:1`)
    assert.strictEqual(Result.getOrThrow(PeerAddress.fromInput(peer)), peer)
    for (const [input, text] of [
      [`${id}@192.0.2.7:1`, `${id}@192.0.2.7:1`],
      [id, id],
      [address("192.0.2.7:1"), "192.0.2.7:1"],
      [NetAddress.inetAddressUnsafe(NetAddress.ipFromStringUnsafe("::ffff:192.0.2.7"), 1), "192.0.2.7:1"],
      [address("[fe80::1%2]:1"), "[fe80::1%2]:1"],
      ["[fe80::1%eth0]:1", "[fe80::1%2]:1"]
    ] as const) {
      assert.strictEqual(String(Result.getOrThrow(PeerAddress.fromInput(input, interfaces))), text)
    }
    assert.strictEqual(problemOf(PeerAddress.fromInput(address("192.0.2.7:0"))), "port 0 cannot be dialled")
  })

  it("is nothing whose fields throw", () => {
    const hostile = new Proxy({}, { get: () => assert.fail("looked at"), has: () => assert.fail("looked at") })
    for (const result of [
      PeerAddress.fromInput(hostile as never),
      PeerAddress.make({ peerId: id, addresses: [hostile as never] }),
      PeerAddress.make(hostile)
    ]) {
      assert.isTrue(Result.isFailure(result))
    }
    assert.isFalse(PeerAddress.isPeerAddress(hostile))
    assert.deepStrictEqual(PeerAddress.toInetAddress(hostile as never), Option.none())
  })

  it("gives an address to dial where the host is an IP address", () => {
    const { addresses } = parse(`${id}@192.0.2.7:1,[fe80::1%2]:3,[::1]:4,a.example:2`)
    assert.deepStrictEqual(addresses.map(PeerAddress.toInetAddress), [
      Option.some(address("192.0.2.7:1")),
      Option.some(address("[fe80::1%2]:3")),
      Option.some(address("[::1]:4")),
      Option.none()
    ])
  })
})

describe("a list of peers", () => {
  const list = (text: string) =>
    Result.map(PeerAddress.listFromString(text, interfaces), (peers) => peers.map((peer) => String(peer)))
  const kinds: ReadonlyArray<readonly [text: string, peers: ReadonlyArray<string>]> = [
    ["", []],
    [" \n\t ", []],
    [id, [id]],
    [`${id} ${otherId}`, [id, otherId]],
    ["192.0.2.7:1,192.0.2.7:2", ["192.0.2.7:1", "192.0.2.7:2"]],
    ["192.0.2.7:1 192.0.2.7:1", ["192.0.2.7:1", "192.0.2.7:1"]],
    [`${id}@192.0.2.7:1,192.0.2.7:2`, [`${id}@192.0.2.7:1,192.0.2.7:2`]],
    [
      `\n${id}@192.0.2.7:1,a:2\r\n\t${otherId}@b:1\u2003a:1,B:1 `,
      [`${id}@192.0.2.7:1,a:2`, `${otherId}@b:1`, "a:1", "b:1"]
    ],
    // A comma that ends a peer without an id may begin one with an id.
    [`a:1,${id}@b:1,c:1`, ["a:1", `${id}@b:1,c:1`]],
    [`a:1,${id}`, ["a:1", id]],
    ["[fe80::1%eth0]:1,[::ffff:192.0.2.7]:1", ["[fe80::1%2]:1", "192.0.2.7:1"]]
  ]
  for (const [text, peers] of kinds) {
    it(`${JSON.stringify(text).slice(0, 80)} has ${peers.length}`, () => {
      assert.deepStrictEqual(Result.getOrThrow(list(text)), [...peers])
    })
  }

  const wrong: ReadonlyArray<readonly [text: string, part: string, problem: string]> = [
    ["a:1 b", "b", "the port is missing"],
    ["a:1,b", "b", "the port is missing"],
    ["a:1, b:1", "a:1,", "an address is missing"],
    ["a:1 , b:1", ",", "an address is missing"],
    ["a:1,,b:1", "a:1,,b:1", "an address is missing"],
    [`x:1 ${id}@a:1,`, `${id}@a:1,`, "an address is missing"],
    // Not somebody without an id, although the text is nearly that.
    [`${id},a:1`, `${id},a:1`, "@ and addresses follow an id, not a comma"],
    [`a:1,${id},b:1`, `${id},b:1`, "@ and addresses follow an id, not a comma"],
    [`${id}@a:1,${otherId}@b:1`, `${id}@a:1,${otherId}@b:1`, "there is more than one @"],
    [`${id}@a:1,${otherId}`, `${id}@a:1,${otherId}`, `${otherId}: an id is no host: @ and addresses follow it`],
    [`${id.toUpperCase()},a:1`, id.toUpperCase(), "a peer's id is in lower case"]
  ]
  for (const [text, part, problem] of wrong) {
    it(`${JSON.stringify(text).slice(0, 80)} says that ${problem}`, () => {
      const result = PeerAddress.listFromString(text, interfaces)
      assert.strictEqual(problemOf(result), problem)
      assert.strictEqual(Result.isFailure(result) && result.failure.input, part)
    })
  }

  it("is its peers, for any peers with an id, and any without", () => {
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 12 }), fc.constantFrom(" ", "\n", "\r\n\t"), (peers, separator) => {
        const canonical = peers.map((text) => String(parse(text)))
        assert.deepStrictEqual(list(canonical.join(separator)), Result.succeed(canonical))
        const alone = canonical.filter((text) => !text.includes("@") && text.includes(":"))
        assert.deepStrictEqual(list(alone.join(",")), Result.succeed(alone))
      })
    )
  })

  it("has 1,024 peers at most, and a bounded number of characters", () => {
    const peers = Array.from({ length: PeerAddress.maxPeers }, (_, i) => `192.0.2.7:${i + 1}`)
    for (const separator of [",", " "]) {
      assert.deepStrictEqual(list(peers.join(separator)), Result.succeed(peers))
      assert.strictEqual(
        problemOf(PeerAddress.listFromString([...peers, "a:1"].join(separator))),
        "there are more than 1024 peers"
      )
    }
    const result = PeerAddress.listFromString(" ".repeat(1_024 * 4_230 + 1))
    assert.strictEqual(problemOf(result), "it has more than 4331520 characters")
    assert.isTrue(Result.isFailure(result) && result.failure.input.length < 100)
  })
})

describe("the schema of a peer as text", () => {
  const decode = Schema.decodeUnknownExit(PeerAddress.PeerAddressFromString)

  it("decodes and encodes the text", () => {
    const peer = parse(`${id}@a.example:1`)
    assert.isTrue(Equal.equals(decode(`${id}@A.example:1`), Exit.succeed(peer)))
    assert.deepStrictEqual(
      Schema.encodeUnknownExit(PeerAddress.PeerAddressFromString)(peer),
      Exit.succeed(`${id}@a.example:1`)
    )
  })

  it("says what is wrong", () => {
    for (const [input, says] of [
      [`${id}@`, /the address after @ is missing/u],
      ["[fe80::1%eth0]:1", /no interface eth0/u],
      [5, /string/iu],
      [null, /string/iu]
    ] as const) {
      const exit = decode(input)
      assert.match(String(Exit.isFailure(exit) && exit.cause), says)
    }
    assert.isTrue(Exit.isFailure(Schema.encodeUnknownExit(PeerAddress.PeerAddressFromString)(id)))
  })
})
