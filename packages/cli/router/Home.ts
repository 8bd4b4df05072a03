/**
 * A home with two computers, its router and the world, each in a network namespace:
 *
 * lan 192.168.77.2 ─┐
 *                   ├─ 192.168.77.1 router 1.2.3.1 ── 1.2.3.2 wan
 * lan2 192.168.77.3 ┘
 *
 * The router lets out whatever the home sends, in its own name, and lets in answers only, and what its daemon was asked
 * to map. Its outside is an address that is public: a daemon maps nothing when it is behind another router.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import * as Namespace from "./Namespace.ts"

export interface Home {
  readonly lan: Namespace.Namespace
  readonly lan2: Namespace.Namespace
  readonly router: Namespace.Namespace
  readonly wan: Namespace.Namespace
}

/** The router as its neighbours on either side know it, and the host on the wan. */
export const inner = "192.168.77.1"
export const outer = "1.2.3.1"
export const world = "1.2.3.2"

/** The chains whose rules are the daemon's. */
const chains = ["miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"]

const rules = `table inet filter {
${chains.map((chain) => `  chain ${chain} {}\n`).join("")}
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan0" accept
    jump miniupnpd
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    jump prerouting_miniupnpd
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    jump postrouting_miniupnpd
    oifname "wan0" masquerade
  }
}
`

const ip = (namespace: Namespace.Namespace, ...lines: ReadonlyArray<string>) =>
  Namespace.command("ip", ["-n", namespace.name, "-batch", "-"], lines.map((line) => `${line}\n`).join(""))

/** What the next namespace of this run is called, but for the end of its name. */
const prefix = () => `${Namespace.prefixOf(inject("run"))}${randomBytes(4).toString("hex")}-`

/** Everything is gone when the scope closes. */
export const make = Effect.gen(function* () {
  const name = prefix()
  const lan = yield* Namespace.make(`${name}lan`)
  const lan2 = yield* Namespace.make(`${name}lan2`)
  const router = yield* Namespace.make(`${name}router`)
  const wan = yield* Namespace.make(`${name}wan`)
  yield* ip(
    router,
    // A bridge that has seen nobody join a group would keep the search for gateways to itself.
    "link add lan0 type bridge mcast_snooping 0",
    `link add port1 type veth peer name eth0 netns ${lan.name}`,
    `link add port2 type veth peer name eth0 netns ${lan2.name}`,
    `link add wan0 type veth peer name eth0 netns ${wan.name}`,
    "link set port1 master lan0 up",
    "link set port2 master lan0 up",
    "link set lan0 up",
    "link set wan0 up",
    `addr add ${inner}/24 dev lan0`,
    `addr add ${outer}/24 dev wan0`
  )
  yield* ip(lan, "link set eth0 up", "addr add 192.168.77.2/24 dev eth0", `route add default via ${inner}`)
  yield* ip(lan2, "link set eth0 up", "addr add 192.168.77.3/24 dev eth0", `route add default via ${inner}`)
  yield* ip(wan, "link set eth0 up", `addr add ${world}/24 dev eth0`)
  yield* Namespace.command("nft", ["-f", "-"], rules).pipe(router.inside)
  yield* Namespace.command("sysctl", ["-qw", "net.ipv4.ip_forward=1"]).pipe(router.inside)
  const home: Home = { lan, lan2, router, wan }
  return home
})

/** A computer that no cable is plugged into. */
export const makeLonely = Effect.suspend(() => Namespace.make(`${prefix()}lonely`))

/** What the router maps: external port and inner address, as `4433 -> 192.168.77.2:4433`. */
export const mappings = ({ router }: Home) =>
  Namespace.command("nft", ["list", "chain", "inet", "filter", "prerouting_miniupnpd"]).pipe(
    router.inside,
    Effect.map((output) =>
      [...output.matchAll(/dport (\d+) dnat ip to (\S+)/gu)].map(([, port, address]) => `${port} -> ${address}`)
    )
  )

/** A router that loses its power loses its mappings. */
export const forgetMappings = ({ router }: Home) =>
  Namespace.command("nft", ["-f", "-"], chains.map((chain) => `flush chain inet filter ${chain}\n`).join("")).pipe(
    router.inside
  )

/** Gives the router another address on its outside, as providers do now and then. */
export const moveOutside = ({ router }: Home, address: string) =>
  ip(router, "addr flush dev wan0", `addr add ${address}/24 dev wan0`)

/** Has a port forwarded for ever, as people do in the router's settings. */
export const forwardByHand = ({ router }: Home, port: number, host: string) =>
  Namespace.command(
    "nft",
    ["-f", "-"],
    `add rule inet filter prerouting iifname "wan0" udp dport ${port} dnat ip to ${host}:${port}
add rule inet filter forward ip daddr ${host} udp dport ${port} accept
`
  ).pipe(router.inside)

/** A firewall on a computer in the home, which lets in answers and what comes from the router. */
export const wall = (host: Namespace.Namespace) =>
  Namespace.command(
    "nft",
    ["-f", "-"],
    `table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "lo" accept
    ip saddr ${inner} accept
  }
}
`
  ).pipe(host.inside)
