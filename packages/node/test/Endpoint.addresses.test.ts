/**
 * Which addresses endpoints dial, and which they tell.
 */
// @module-tag platform
import * as MemoryTransport from "@qp2p/testkit/MemoryTransport"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { networkInterfaces } from "node:os"
import { InvalidAddress } from "@qp2p/core/ConnectionError"
import * as Endpoint from "@qp2p/core/Endpoint"
import { EndpointConfigError, BindError } from "@qp2p/core/EndpointError"
import { Remapped } from "@qp2p/core/MappingStatus"
import { granted, PortMapper } from "@qp2p/core/PortMapper"
import { ConnectionLost } from "@qp2p/core/SendError"
import { type NetworkInterface, Transport } from "@qp2p/core/Transport"
import { address, bytes, textOf } from "../../core/test/support/values.ts"
import * as live from "./support/quicEndpoints.ts"
import { logged } from "../../core/test/support/logs.ts"
import { client, countingDials, endpoint, onNetwork, pair, settle } from "../../core/test/support/memoryEndpoints.ts"
import { nothing } from "./support/quicEndpoints.ts"

const ip = NetAddress.ipFromStringUnsafe

const eth0: NetworkInterface = { name: "eth0", address: ip("10.0.0.1"), prefixLength: 24, scopeId: 0 }

/** Runs `body` where the machine has other interfaces. */
const withInterfaces =
  (...interfaces: ReadonlyArray<NetworkInterface>) =>
  <A, E, R>(body: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Transport, (transport) =>
      Effect.provideService(body, Transport, Transport.of({ ...transport, interfaces: () => interfaces }))
    )

const nobodys: ReadonlyArray<readonly [address: string, reason: string]> = [
  ["0.0.0.0:1", "the unspecified address belongs to no host"],
  ["224.0.0.1:1", "a multicast address is a group's, and not one peer's"],
  ["255.255.255.255:1", "the broadcast address is everybody's, and not one peer's"],
  ["10.0.0.255:1", "the broadcast address of eth0 is everybody's there, and not one peer's"]
]

describe("an address of no single host", () => {
  for (const [input, detail] of nobodys) {
    it.effect(`is not dialled, wherever it comes from: ${input}`, () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const one = yield* endpoint("10.0.0.1:1")
          const invalid = new InvalidAddress({ input, detail })
          const lost = new ConnectionLost({ reason: invalid })
          assert.deepStrictEqual(yield* Effect.flip(one.connectTo(input)), invalid)
          assert.deepStrictEqual(yield* Effect.flip(one.openBidirectionalStream(input)), invalid)
          assert.deepStrictEqual((yield* Effect.flip(one.connectToAny([input]))).attempts, [
            { peer: input, error: invalid }
          ])
          assert.deepStrictEqual(yield* Effect.flip(one.sendMessage(bytes("x"), input)), lost)
          assert.deepStrictEqual(yield* Effect.flip(one.isReachable(input)), lost)
          assert.deepStrictEqual(yield* Effect.flip(one.bootstrap([input])), invalid)
          const contact = new EndpointConfigError({ path: "contacts.0", detail: `${input}: ${detail}` })
          assert.deepStrictEqual(yield* Effect.flip(endpoint("10.0.0.1:2", {}, [input])), contact)
          assert.deepStrictEqual(yield* Effect.flip(client("10.0.0.1:2", {}, [input])), contact)
          assert.deepStrictEqual(dials.peers, [])
        })
      ).pipe(withInterfaces(eth0), onNetwork)
    )
  }

  it.effect("is not dialled by way of a transport that would", () =>
    Effect.gen(function* () {
      const transport = yield* Transport
      const dialled: Array<string> = []
      const reckless = Transport.of({
        bind: (options, events) =>
          Effect.map(transport.bind(options, events), ({ address }) => ({
            address,
            dial: (peer) => {
              dialled.push(String(peer))
              return () => {}
            }
          }))
      })
      const one = yield* Effect.provideService(endpoint("10.0.0.1:1"), Transport, reckless)
      for (const peer of ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "10.0.0.2:0"]) {
        assert.strictEqual((yield* Effect.flip(one.connectTo(peer)))._tag, "InvalidAddress", peer)
      }
      assert.deepStrictEqual(dialled, [])
    }).pipe(onNetwork)
  )

  it.effect("is not bound", () =>
    Effect.gen(function* () {
      for (const local of ["224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1"]) {
        const error = yield* Effect.flip(endpoint(local))
        assert.instanceOf(error, BindError)
        assert.include(error.message, "and not one peer's")
      }
    }).pipe(onNetwork)
  )

  it.effect("is not taken for the public address when the gateway names it, and is when it names another later", () =>
    Effect.gen(function* () {
      const offline = address("0.0.0.0:7777")
      const external = address("203.0.113.1:7777")
      const mapping = yield* granted(address("10.0.0.1:1"), offline)
      const { lines, outcome: one } = yield* logged(
        Effect.provideService(endpoint("10.0.0.1:1", { forwardPort: true }), PortMapper, {
          map: () => Effect.succeed(mapping)
        })
      )
      assert.strictEqual(String(one.publicAddress), "10.0.0.1:1")
      assert.deepStrictEqual(lines, [
        "Warn: the gateway says that it maps 0.0.0.0:7777, which is not announced: the unspecified address belongs to no host"
      ])
      yield* SubscriptionRef.set(mapping.status, Remapped({ external, before: offline }))
      yield* settle
      assert.strictEqual(String(one.publicAddress), "203.0.113.1:7777")
      yield* SubscriptionRef.set(mapping.status, Remapped({ external: offline, before: external }))
      yield* settle
      assert.strictEqual(String(one.publicAddress), "203.0.113.1:7777")
    }).pipe(onNetwork)
  )
})

describe("an endpoint that is bound to every address", () => {
  const interfaces: ReadonlyArray<NetworkInterface> = [
    { name: "lo", address: ip("127.0.0.1"), prefixLength: 8, scopeId: 0 },
    { name: "eth0", address: ip("192.168.0.2"), prefixLength: 24, scopeId: 0 },
    { name: "eth1", address: ip("203.0.113.7"), prefixLength: 24, scopeId: 0 },
    { name: "eth1", address: ip("2001:db8::7"), prefixLength: 64, scopeId: 2 }
  ]

  for (const [kind, make] of [
    ["an endpoint", endpoint],
    ["a client", client]
  ] as const) {
    it.effect(`tells the addresses of the interfaces, the best as its public one: ${kind}`, () =>
      Effect.gen(function* () {
        const one = yield* make("0.0.0.0:1")
        assert.deepStrictEqual(one.localAddresses.map(String), ["203.0.113.7:1", "192.168.0.2:1", "127.0.0.1:1"])
        assert.strictEqual(String(one.publicAddress), "203.0.113.7:1")
        assert.strictEqual(String(one.localAddress), "0.0.0.0:1")
        const six = yield* make("[::]:1")
        assert.strictEqual(String(six.publicAddress), "[2001:db8::7]:1")
      }).pipe(withInterfaces(...interfaces), onNetwork)
    )
  }

  it.effect("has what is configured of its public address, and the rest of an interface's", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("0.0.0.0:1", { externalPort: 7 })
      assert.strictEqual(String(one.publicAddress), "203.0.113.7:7")
      const two = yield* endpoint("0.0.0.0:2", { externalIp: "198.51.100.1" })
      assert.strictEqual(String(two.publicAddress), "198.51.100.1:2")
    }).pipe(withInterfaces(...interfaces), onNetwork)
  )

  it.effect("has the loopback address where the transport knows no interfaces", () =>
    Effect.gen(function* () {
      const { bind } = yield* Transport
      const one = yield* Effect.provideService(endpoint("0.0.0.0:1"), Transport, Transport.of({ bind }))
      assert.deepStrictEqual(one.localAddresses.map(String), ["127.0.0.1:1"])
      assert.strictEqual(String(one.publicAddress), "127.0.0.1:1")
    }).pipe(onNetwork)
  )

  it.effect("does not dial itself by the address of an interface", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint("0.0.0.0:1", {}, ["192.168.0.2:1", "127.0.0.1:1"])
        assert.isTrue(Option.isNone(one.bootstrapContact))
        assert.deepStrictEqual(dials.peers, [])
      })
    ).pipe(withInterfaces(...interfaces), onNetwork)
  )

  it.effect("on a host of a simulated network tells the host's address", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("0.0.0.0:1").pipe(
        Effect.provide(MemoryTransport.layerHost({ address: "198.51.100.7" }))
      )
      assert.strictEqual(String(one.publicAddress), "198.51.100.7:1")
      const two = yield* endpoint("198.51.100.8:1")
      yield* two.sendMessage(bytes("found"), one.publicAddress)
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "found")
    }).pipe(onNetwork)
  )

  it.live("over QUIC tells addresses of this machine's interfaces, at which it is reached", () =>
    Effect.gen(function* () {
      const one = yield* live.endpoint({}, [], "0.0.0.0:0")
      const { port } = one.localAddress
      const own = Object.values(networkInterfaces()).flatMap((addresses = []) =>
        addresses.flatMap(({ address, family }) => (family === "IPv4" ? [`${address}:${port}`] : []))
      )
      assert.deepStrictEqual(one.localAddresses.map(String).toSorted(), own.toSorted())
      assert.strictEqual(one.publicAddress, one.publicAddress)
      assert.deepStrictEqual(String(one.publicAddress), String(one.localAddresses[0]))
      const two = yield* live.endpoint({}, [], "0.0.0.0:0")
      yield* two.sendMessage(bytes("found"), one.publicAddress)
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "found")
      assert.strictEqual((yield* Effect.flip(two.connectTo("127.255.255.255:1")))._tag, "InvalidAddress")
    }).pipe(live.onLoopback)
  )
})

describe("a zone", () => {
  const link: NetworkInterface = { name: "eth0", address: ip("fe80::1"), prefixLength: 64, scopeId: 2 }

  it.effect("is the same peer's by the name of its interface and by its number", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint("[fe80::1%eth0]:1")
        assert.strictEqual(String(one.localAddress), "[fe80::1%2]:1")
        assert.strictEqual(String(one.publicAddress), "[fe80::1%2]:1")
        yield* endpoint("[fe80::1%2]:2")
        const connection = yield* one.connectTo("[fe80::1%eth0]:2")
        assert.strictEqual(yield* one.connectTo("[fe80::1%2]:2"), connection)
        assert.strictEqual(String(connection.remoteAddress), "[fe80::1%2]:2")
        assert.deepStrictEqual(dials.peers, ["[fe80::1%2]:2"])
      })
    ).pipe(withInterfaces(link), onNetwork)
  )

  it.effect("is that of the interface's name at the time", () =>
    Effect.gen(function* () {
      const transport = yield* Transport
      let scopeId = 2
      const changing = Transport.of({ ...transport, interfaces: () => [{ ...link, scopeId }] })
      const one = yield* Effect.provideService(endpoint("[fe80::1%eth0]:1"), Transport, changing)
      const two = yield* endpoint("[fe80::1%3]:2")
      scopeId = 3
      yield* one.sendMessage(bytes("found"), "[fe80::1%eth0]:2")
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "found")
    }).pipe(onNetwork)
  )

  it.effect("that is no interface's fails with a reason", () =>
    Effect.gen(function* () {
      const [one] = yield* pair()
      const error = yield* Effect.flip(one.connectTo("[fe80::1%eth7]:1"))
      assert.strictEqual(error._tag, "InvalidAddress")
      assert.include(error.message, "this machine has no interface eth7 with IPv6")
    }).pipe(withInterfaces(link), onNetwork)
  )

  it.effect("may be named in configuration, too", () =>
    Effect.gen(function* () {
      const source = ConfigProvider.fromUnknown({ localAddress: " [fe80::1%eth0]:1 " })
      const layer = Endpoint.layerConfig().pipe(Layer.provide(ConfigProvider.layer(source)))
      const one = Context.get(yield* Layer.build(layer), Endpoint.Endpoint)
      assert.strictEqual(String(one.localAddress), "[fe80::1%2]:1")
    }).pipe(withInterfaces(link), onNetwork)
  )

  const missing = "a link-local address needs the zone of its interface, as in [fe80::1%eth0]:0"

  it.effect("has to be said where a link-local address is bound", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(endpoint("[fe80::1]:0"))
      assert.strictEqual(error.message, `cannot listen on [fe80::1]:0: ${missing}`)
    }).pipe(onNetwork)
  )

  it.live("has to be said where a link-local address is bound over QUIC", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(live.endpoint({}, [], "[fe80::1]:0"))
      assert.strictEqual(error.message, `cannot listen on [fe80::1]:0: ${missing}`)
    }).pipe(live.onLoopback)
  )

  const [name, here] =
    Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
      addresses.flatMap((each) => (each.family === "IPv6" && each.scopeid > 0 ? [[name, each] as const] : []))
    )[0] ?? []

  it.live.runIf(here !== undefined)(
    "is understood by name and by number over QUIC, and a peer that is dialled without one is found by that, too",
    () =>
      Effect.gen(function* () {
        const one = yield* live.endpoint({}, [], `[${here!.address}%${name}]:0`)
        const two = yield* live.endpoint({}, [], `[${here!.address}%${here!.scopeid}]:0`)
        assert.strictEqual(one.localAddress.address.toString(), two.localAddress.address.toString())
        const { port } = two.localAddress
        const [byName, byNumber] = [`[${here!.address}%${name}]:${port}`, `[${here!.address}%${here!.scopeid}]:${port}`]
        for (const each of [byName, byNumber, byName]) yield* one.sendMessage(bytes("found"), each)
        const connection = yield* one.connectTo(byName)
        assert.strictEqual(yield* one.connectTo(byNumber), connection)
        assert.strictEqual(String(connection.remoteAddress), byNumber)
        yield* two.nextConnection
        assert.isTrue(yield* nothing(two.nextConnection))
        yield* one.disconnectFrom(byName)
        for (let i = 0; i < 5; i++) yield* one.sendMessage(bytes("found"), `[${here!.address}]:${port}`)
        yield* two.nextConnection
        assert.isTrue(yield* nothing(two.nextConnection))
      }).pipe(live.onLoopback)
  )
})
