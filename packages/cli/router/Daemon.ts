/** The program that maps ports on many real routers. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { readFileSync, readlinkSync } from "node:fs"
import { StepFailed } from "../src/internal/Spawned.ts"
import type { Home } from "./Home.ts"
import { until } from "./until.ts"

export interface Options {
  /** The version of Internet Gateway Device that it says it is. 0: no UPnP. */
  readonly igd: 0 | 1 | 2
  /** NAT-PMP and PCP. */
  readonly natPmp: boolean
}

/** One that speaks each protocol, and nothing else. */
export const each = [
  { protocol: "UPnP", igd: 2, natPmp: false },
  { protocol: "PCP", igd: 0, natPmp: true }
] as const

export interface Daemon {
  /** How often it has granted a mapping, for the first time or again. */
  readonly grants: (port: number) => number
  /** Ends it without a chance to tidy up, and waits for its end. */
  readonly kill: Effect.Effect<void>
}

const configuration = ({ igd, natPmp }: Options): string =>
  Object.entries({
    ext_ifname: "wan0",
    listening_ip: "lan0",
    http_port: 5555,
    ipv6_disable: "yes",
    enable_upnp: igd === 0 ? "no" : "yes",
    force_igd_desc_v1: igd === 1 ? "yes" : "no",
    enable_natpmp: natPmp ? "yes" : "no",
    // Each host maps ports to itself only.
    secure_mode: "yes",
    min_lifetime: 1,
    uuid: randomUUID()
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("") + "allow 1024-65535 192.168.77.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"

/** Starts the daemon on the router, and waits until it can be asked. It ends when the scope closes. */
export const start = Effect.fnUntraced(function* (home: Home, options: Options) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "qp2p-router-" }))
  const path = `${directory}/miniupnpd.conf`
  yield* Effect.orDie(fs.writeFileString(path, configuration(options)))
  const handle = yield* ChildProcess.make("miniupnpd", ["-d", "-f", path, "-P", `${directory}/pid`], {
    forceKillAfter: "1 second"
  }).pipe(
    home.router.inside,
    Effect.mapError((error) => new StepFailed({ step: "miniupnpd", detail: error.message }))
  )
  const lines: Array<string> = []
  yield* handle.all.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Effect.sync(() => lines.push(line))),
    Effect.ignore,
    Effect.forkScoped
  )
  const ports = [...(options.igd === 0 ? [] : [1900]), ...(options.natPmp ? [5351] : [])]
  yield* until(
    `miniupnpd listens on ${ports.join(" and ")}`,
    Effect.sync(() => ports.every((port) => listens(handle.pid, port)))
  ).pipe(Effect.mapError(({ step }) => new StepFailed({ step, detail: `never; its last line: ${lines.at(-1)}` })))
  const daemon: Daemon = {
    grants: (port) => lines.filter((line) => line.includes(`timestamp entry added (${port},`)).length,
    kill: Effect.orDie(handle.kill({ killSignal: "SIGKILL" }))
  }
  return daemon
})

/** Whether the daemon has a UDP socket at a port. */
const listens = (pid: number, port: number): boolean => {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000`
  try {
    // Before that it is still `ip`, and maybe not in the namespace yet.
    return (
      readlinkSync(`/proc/${pid}/exe`).endsWith("/miniupnpd") && readFileSync(`/proc/${pid}/net/udp`).includes(local)
    )
  } catch {
    // It has ended.
    return false
  }
}
