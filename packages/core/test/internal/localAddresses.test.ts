import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import { localAddresses } from "../../src/internal/localAddresses.ts"
import type { NetworkInterface } from "../../src/Transport.ts"
import { address } from "../support/values.ts"

const on = (own: string, scopeId = 0): NetworkInterface => ({
  name: "eth0",
  address: NetAddress.ipFromStringUnsafe(own),
  prefixLength: 24,
  scopeId
})

const own = (bound: string, ...interfaces: ReadonlyArray<NetworkInterface>) =>
  localAddresses(address(bound), () => interfaces).map(String)

describe("where a socket is reached", () => {
  const all = [
    on("127.0.0.1"),
    on("::1"),
    on("169.254.1.1"),
    on("fe80::1", 2),
    on("fe80::1", 3),
    on("100.64.0.1"),
    on("192.168.0.2"),
    on("fd00::2", 2),
    on("203.0.113.7"),
    on("2001:db8::1", 2)
  ]

  it("is where it is bound", () => {
    assert.deepStrictEqual(own("127.0.0.1:1", ...all), ["127.0.0.1:1"])
    assert.deepStrictEqual(own("[fe80::1%3]:1", ...all), ["[fe80::1%3]:1"])
  })

  it("is at every interface of its family behind a wildcard, those first that most peers can reach", () => {
    assert.deepStrictEqual(own("0.0.0.0:1", ...all), [
      "203.0.113.7:1",
      "100.64.0.1:1",
      "192.168.0.2:1",
      "169.254.1.1:1",
      "127.0.0.1:1"
    ])
    assert.deepStrictEqual(own("[::]:1", ...all), [
      "[2001:db8::1]:1",
      "[fd00::2]:1",
      "[fe80::1%2]:1",
      "[fe80::1%3]:1",
      "[::1]:1"
    ])
  })

  it("is the loopback address behind a wildcard where nothing is known of interfaces", () => {
    assert.deepStrictEqual(own("0.0.0.0:1"), ["127.0.0.1:1"])
    assert.deepStrictEqual(own("[::]:1", on("192.0.2.1")), ["[::1]:1"])
  })
})
