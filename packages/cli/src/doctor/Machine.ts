/**
 * What can be found out without a peer: the addresses of this machine, and the router's answers.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as HomeRouter from "@qp2p/upnp/HomeRouter"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import { createSocket } from "node:dgram"
import { networkInterfaces } from "node:os"

/**
 * An address of an interface, without a zone.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Interface {
  /** The name of the interface. */
  readonly name: string
  /** The address. */
  readonly address: NetAddress.IpAddress
}

/**
 * The machine that the command runs on.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Machine extends Context.Service<
  Machine,
  {
    /** The addresses of the interfaces. */
    readonly interfaces: Effect.Effect<ReadonlyArray<Interface>>
    /** The local address of the route to the internet; none without a route. */
    readonly outbound: (family: NetAddress.IpFamily) => Effect.Effect<Option.Option<NetAddress.IpAddress>>
    /** The router's answers in each protocol. */
    readonly router: Effect.Effect<HomeRouter.Diagnosis>
  }
>()("@qp2p/cli/doctor/Machine") {}

const interfaces = Effect.sync(() =>
  Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ address }) => {
      const parsed = NetAddress.ipFromString(address.replace(/%.*$/u, ""))
      return Result.isSuccess(parsed) ? [{ name, address: parsed.success }] : []
    })
  )
)

// Addresses of the root name servers a and k. Any public address would do: no packet is sent.
const somewhere = { IPv4: ["udp4", "198.41.0.4"], IPv6: ["udp6", "2001:7fd::1"] } as const

/** Connecting a UDP socket selects its local address, without a packet being sent. */
const outbound = (family: NetAddress.IpFamily): Effect.Effect<Option.Option<NetAddress.IpAddress>> => {
  const [type, target] = somewhere[family]
  return Effect.acquireUseRelease(
    Effect.sync(() => createSocket(type)),
    (socket) =>
      Effect.callback<Option.Option<NetAddress.IpAddress>>((resume) => {
        const none = () => resume(Effect.succeedNone)
        socket.on("error", none)
        // Node passes an error to this callback when connecting fails, although its types do not say so.
        socket.connect(53, target, (error?: unknown) =>
          error === undefined
            ? resume(Effect.sync(() => Result.getSuccess(NetAddress.ipFromString(socket.address().address))))
            : none()
        )
      }),
    (socket) => Effect.sync(() => socket.close())
  )
}

/**
 * The machine that this process runs on.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Machine> = Layer.succeed(Machine, {
  interfaces,
  outbound,
  router: HomeRouter.diagnose()
})
