/**
 * Over real UDP sockets.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as mapper from "../src/internal/natpmp/mapper.ts"
import * as fake from "./support/fakePmpGateway.ts"
import { createSocket } from "node:dgram"

const internal = NetAddress.inetAddressFromStringUnsafe("0.0.0.0:4433")
const lease = Duration.seconds(120)

/** Nothing here waits for as long, but when the machine is busy. */
const requestTimeout = Duration.seconds(20)

const mapAt = (port: number, request?: { readonly internal: NetAddress.InetAddress }) =>
  mapper.make({ gateway: "127.0.0.1", port, requestTimeout }).map({ internal, lease, ...request })

describe("NatPmp over UDP", () => {
  it.live("maps and removes in PCP, and names the address on the way to the gateway", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* fake.makeLive
      const mapping = yield* Effect.scoped(mapAt(port))
      assert.strictEqual(NetAddress.formatInet(mapping.internal), "127.0.0.1:4433")
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:4433")
      assert.strictEqual(gateway.requests[0]?.client, "127.0.0.1")
      assert.strictEqual(gateway.requests.at(-1)?.lifetime, 0)
    })
  )

  it.live("maps and removes in NAT-PMP", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* fake.makeLive
      gateway.answer("PcpMap", fake.onlyNatPmp)
      const mapping = yield* Effect.scoped(mapAt(port))
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:4433")
      assert.deepInclude(gateway.requests.at(-1), { kind: "PmpMap", lifetime: 0, externalPort: 0 })
    })
  )

  it.live("sends again until the gateway answers", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* fake.makeLive
      gateway.answer("PcpMap", fake.silent, fake.pcpReply())
      yield* mapAt(port)
      assert.isAtLeast(gateway.requests.length, 2)
    })
  )

  it.live("fails when no server listens there", () =>
    Effect.gen(function* () {
      const port = yield* Effect.callback<number>((resume) => {
        const socket = createSocket("udp4")
        socket.bind(0, "127.0.0.1", () => {
          const { port } = socket.address()
          socket.close(() => resume(Effect.succeed(port)))
        })
      })
      assert.strictEqual((yield* Effect.flip(Effect.scoped(mapAt(port))))._tag, "GatewayUnreachable")
    })
  )

  it.live("fails when the internal address is not of this host", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* fake.makeLive
      const elsewhere = NetAddress.inetAddressFromStringUnsafe("203.0.113.99:4433")
      assert.strictEqual(
        (yield* Effect.flip(Effect.scoped(mapAt(port, { internal: elsewhere }))))._tag,
        "GatewayUnreachable"
      )
      assert.deepStrictEqual(gateway.requests, [])
    })
  )
})
