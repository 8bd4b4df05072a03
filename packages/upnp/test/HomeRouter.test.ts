// @module-tag platform
import { PortMapper } from "@qp2p/core/PortMapper"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import os from "node:os"
import * as HomeRouter from "../src/HomeRouter.ts"

/** Of no network at all, so that nothing is sent. */
const noInterfaces = Effect.acquireRelease(
  Effect.sync(() => vi.spyOn(os, "networkInterfaces").mockReturnValue({})),
  (spy) => Effect.sync(() => spy.mockRestore())
)

/** What each of them fails with, without a network. */
const options: HomeRouter.Options = {
  natPmp: { gateway: "not an address" },
  natUpnp: { searchTimeout: Duration.millis(10) }
}

describe("HomeRouter.layer", () => {
  it.live("asks in every protocol, and tells what came of each", () =>
    Effect.gen(function* () {
      yield* noInterfaces
      const mapper = yield* PortMapper
      const internal = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:4433")
      const error = yield* Effect.flip(mapper.map({ internal, lease: Duration.seconds(120) }))
      if (error._tag !== "NoneMapped") return assert.fail(error._tag)
      assert.deepStrictEqual(
        error.attempts.map((attempt) => [attempt.by, attempt.error._tag]),
        [
          ["PCP and NAT-PMP", "PortMapperUnsupported"],
          ["UPnP", "GatewayNotFound"]
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(HomeRouter.layer(options)))
  )

  it.effect("maps no IPv6", () =>
    Effect.gen(function* () {
      const mapper = yield* PortMapper
      const internal = NetAddress.inetAddressFromStringUnsafe("[::]:4433")
      const error = yield* Effect.flip(mapper.map({ internal, lease: Duration.seconds(120) }))
      if (error._tag !== "NoneMapped") return assert.fail(error._tag)
      assert.deepStrictEqual(
        error.attempts.map((attempt) => attempt.error._tag),
        ["PortMapperUnsupported", "PortMapperUnsupported"]
      )
    }).pipe(Effect.scoped, Effect.provide(HomeRouter.layer()))
  )
})

describe("HomeRouter.diagnose", () => {
  it.live("takes its options", () =>
    Effect.gen(function* () {
      yield* noInterfaces
      const { gateway, protocols } = yield* HomeRouter.diagnose(options)
      assert.isTrue(Option.isNone(gateway))
      assert.deepStrictEqual(
        protocols.map(({ outcome, protocol }) => [protocol, Result.isFailure(outcome) && outcome.failure._tag]),
        [
          ["PCP", "PortMapperUnsupported"],
          ["NAT-PMP", "PortMapperUnsupported"],
          ["UPnP", "GatewayNotFound"]
        ]
      )
    })
  )
})

describe("HomeRouter.reachOf", () => {
  const rows: ReadonlyArray<readonly [first: string, last: string, reach: HomeRouter.Reach]> = [
    ["0.0.0.0", "0.255.255.255", "Special"],
    ["1.0.0.0", "9.255.255.255", "Public"],
    ["10.0.0.0", "10.255.255.255", "Private"],
    ["11.0.0.0", "100.63.255.255", "Public"],
    ["100.64.0.0", "100.127.255.255", "Shared"],
    ["100.128.0.0", "126.255.255.255", "Public"],
    ["127.0.0.0", "127.255.255.255", "Special"],
    ["128.0.0.0", "169.253.255.255", "Public"],
    ["169.254.0.0", "169.254.255.255", "Special"],
    ["169.255.0.0", "172.15.255.255", "Public"],
    ["172.16.0.0", "172.31.255.255", "Private"],
    ["172.32.0.0", "191.255.255.255", "Public"],
    ["192.0.0.0", "192.0.0.255", "Special"],
    ["192.0.1.0", "192.0.1.255", "Public"],
    ["192.0.2.0", "192.0.2.255", "Special"],
    ["192.0.3.0", "192.88.98.255", "Public"],
    ["192.88.99.0", "192.88.99.255", "Special"],
    ["192.88.100.0", "192.167.255.255", "Public"],
    ["192.168.0.0", "192.168.255.255", "Private"],
    ["192.169.0.0", "198.17.255.255", "Public"],
    ["198.18.0.0", "198.19.255.255", "Special"],
    ["198.20.0.0", "198.51.99.255", "Public"],
    ["198.51.100.0", "198.51.100.255", "Special"],
    ["198.51.101.0", "203.0.112.255", "Public"],
    ["203.0.113.0", "203.0.113.255", "Special"],
    ["203.0.114.0", "223.255.255.255", "Public"],
    ["224.0.0.0", "255.255.255.255", "Special"]
  ]

  it.each(rows)("%s to %s is %s", (first, last, reach) => {
    for (const text of [first, last]) {
      assert.strictEqual(HomeRouter.reachOf(Result.getOrThrow(NetAddress.ipv4FromString(text))), reach)
    }
  })
})
