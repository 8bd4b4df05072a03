// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Fiber from "effect/Fiber"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { readFileSync } from "node:fs"
import * as finder from "../../../src/internal/natpmp/finder.ts"
import * as routes from "../../../src/internal/natpmp/routes.ts"

const text = (address: Option.Option<NetAddress.Ipv4Address>): string | undefined =>
  Option.getOrUndefined(Option.map(address, NetAddress.formatIp))

const linuxHeader = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
const linux = (...rows: ReadonlyArray<string>) =>
  [linuxHeader, ...rows.map((row) => row.replaceAll(" ", "\t"))].map((line) => line.padEnd(127)).join("\n") + "\n"

const linuxDefault = "eth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0"
const linuxLocal = "eth0 0001A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0"

const bsd = `   route to: default
destination: default
       mask: default
    gateway: 192.168.1.1
  interface: en0
      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>
 recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire
       0         0         0         0         0         0      1500         0
`

const windows = `===========================================================================
Interface List
 12...00 15 5d 01 02 03 ......Intel(R) Ethernet Connection
  1...........................Software Loopback Interface 1
===========================================================================

IPv4 Route Table
===========================================================================
Active Routes:
Network Destination        Netmask          Gateway       Interface  Metric
          0.0.0.0          0.0.0.0      192.168.1.1    192.168.1.50     25
===========================================================================
Persistent Routes:
  Network Address          Netmask  Gateway Address  Metric
          0.0.0.0          0.0.0.0       10.9.8.254       1
===========================================================================
`

describe("The default route of Linux", () => {
  it("is the one to everywhere with a gateway", () => {
    assert.strictEqual(text(routes.fromLinux(linux(linuxLocal, linuxDefault))), "192.168.1.1")
  })

  it("is the one with the lowest metric, and of those the first", () => {
    const other = (gateway: string, metric: number) => `wlan0 00000000 ${gateway} 0003 0 0 ${metric} 00000000 0 0 0`
    const table = linux(other("0105A8C0", 600), linuxDefault, other("0106A8C0", 100), other("0107A8C0", 101))
    assert.strictEqual(text(routes.fromLinux(table)), "192.168.1.1")
  })

  it.each([
    ["an empty table", ""],
    ["only the header", linux()],
    ["only the local network", linux(linuxLocal)],
    ["a route that is down", linux("eth0 00000000 0101A8C0 0002 0 0 100 00000000 0 0 0")],
    ["a route that is said to have no gateway", linux("tun0 00000000 0101A8C0 0001 0 0 50 00000000 0 0 0")],
    ["a gateway flag without a gateway", linux("tun0 00000000 00000000 0003 0 0 50 00000000 0 0 0")],
    ["half of everything, as tunnels have it", linux("tun0 00000000 0101A8C0 0003 0 0 0 00000080 0 0 0")],
    ["a gateway that is no word", linux("eth0 00000000 0101A8 0003 0 0 100 00000000 0 0 0")],
    ["a line that is cut off", linux("eth0 00000000 0101A8C0 0003 0 0")]
  ])("is none in %s", (_, table) => {
    assert.isUndefined(text(routes.fromLinux(table)))
  })
})

describe("The default route of macOS", () => {
  it("has its gateway on a line of its own", () => {
    assert.strictEqual(text(routes.fromBsd(bsd)), "192.168.1.1")
  })

  it.each([
    ["nothing", ""],
    ["a message", "route: writing to routing socket: not in table\n"],
    ["a tunnel", bsd.replace(/^ +gateway:.*\n/m, "").replace("en0", "utun3")],
    ["a link", bsd.replace("192.168.1.1", "link#14")],
    ["IPv6", bsd.replace("192.168.1.1", "fe80::1%en0")]
  ])("is none in %s", (_, output) => {
    assert.isUndefined(text(routes.fromBsd(output)))
  })
})

describe("The default route of Windows", () => {
  it("is among the active routes", () => {
    assert.strictEqual(text(routes.fromWindows(windows)), "192.168.1.1")
    assert.strictEqual(text(routes.fromWindows(windows.replaceAll("\n", "\r\n"))), "192.168.1.1")
  })

  it("is found in any language", () => {
    const german = windows.replace("Active Routes", "Aktive Routen").replace("Network Destination", "Netzwerkziel")
    assert.strictEqual(text(routes.fromWindows(german)), "192.168.1.1")
  })

  it("is the one with the lowest metric", () => {
    const row = "          0.0.0.0          0.0.0.0      192.168.1.1    192.168.1.50     25\n"
    const better = "          0.0.0.0          0.0.0.0      192.168.2.1    192.168.2.50      5\n"
    assert.strictEqual(text(routes.fromWindows(windows.replace(row, row + better))), "192.168.2.1")
    assert.strictEqual(text(routes.fromWindows(windows.replace(row, better + row))), "192.168.2.1")
  })

  it.each([
    ["nothing", ""],
    ["only persistent routes", windows.replace(/^.*192\.168\.1\.1 .*\n/m, "")],
    ["a route on the link", windows.replace("192.168.1.1 ", "On-link ")],
    ["a route on the link, in German, which takes two words", windows.replace("192.168.1.1 ", "Auf Verbindung ")],
    ["a route on the link, in another code page", windows.replace("192.168.1.1 ", "\uFFFD\uFFFD\uFFFDN\uFFFD\uFFFD ")]
  ])("is none in %s", (_, output) => {
    assert.isUndefined(text(routes.fromWindows(output)))
  })
})

/** A machine whose files and commands are these; what it was asked for is written down. */
const machine = (options: {
  readonly file?: string
  readonly output?: Stream.Stream<Uint8Array>
  readonly env?: Record<string, string>
}) => {
  const asked: Array<string> = []
  const fileSystem = FileSystem.makeNoop(
    options.file === undefined
      ? {}
      : { readFileString: (path) => Effect.sync(() => (asked.push(path), options.file ?? "")) }
  )
  const spawner = ChildProcessSpawner.make((command: ChildProcess.Command) => {
    if (command._tag === "StandardCommand") asked.push([command.command, ...command.args].map(String).join(" "))
    const stdout = options.output ?? Stream.empty
    return Effect.succeed(
      ChildProcessSpawner.makeHandle({
        pid: ChildProcessSpawner.ProcessId(1),
        exitCode: Effect.succeed(ChildProcessSpawner.ExitCode(0)),
        isRunning: Effect.succeed(false),
        kill: () => Effect.void,
        stdin: Sink.drain,
        stdout,
        stderr: Stream.empty,
        all: stdout,
        getInputFd: () => Sink.drain,
        getOutputFd: () => Stream.empty,
        unref: Effect.succeed(Effect.void)
      })
    )
  })
  const find = (platform: string) =>
    finder
      .find(platform)
      .pipe(
        Effect.provideService(FileSystem.FileSystem, fileSystem),
        Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner),
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(options.env ?? {}))
      )
  return { asked, find }
}

const encode = (content: string) => new TextEncoder().encode(content)

describe("The gateway", () => {
  it.effect.each([
    { platform: "linux", asked: "/proc/net/route", options: { file: linux(linuxDefault) } },
    { platform: "darwin", asked: "/sbin/route -n get default", options: { output: Stream.make(encode(bsd)) } },
    {
      platform: "win32",
      asked: "D:\\Win\\System32\\route.exe print -4 0.0.0.0",
      options: { output: Stream.make(encode(windows)), env: { SystemRoot: "D:\\Win" } }
    },
    {
      platform: "win32",
      asked: "C:\\Windows\\System32\\route.exe print -4 0.0.0.0",
      options: { output: Stream.make(encode(windows)) }
    }
  ])("is asked for on $platform with $asked", ({ asked, options, platform }) =>
    Effect.gen(function* () {
      const { asked: actual, find } = machine(options)
      assert.strictEqual(NetAddress.formatIp(yield* find(platform)), "192.168.1.1")
      assert.deepStrictEqual(actual, [asked])
    })
  )

  it.effect.each([
    { name: "the file cannot be read", platform: "linux", options: {} },
    { name: "there is no such route", platform: "linux", options: { file: linux(linuxLocal) } },
    { name: "the command says nothing", platform: "darwin", options: {} },
    { name: "the platform is another", platform: "aix", options: { file: linux(linuxDefault) } }
  ])("is not found when $name", ({ options, platform }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(machine(options).find(platform))
      assert.strictEqual(error._tag, "GatewayNotFound")
    })
  )

  it.effect("is not waited for longer than three seconds", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(machine({ output: Stream.never }).find("darwin")))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "GatewayNotFound")
    })
  )

  it.effect("is looked for in a bounded part of what the command says", () =>
    Effect.gen(function* () {
      const endless = Stream.forever(Stream.make(encode("no route\n")))
      const error = yield* Effect.flip(machine({ output: endless }).find("darwin"))
      assert.strictEqual(error._tag, "GatewayNotFound")
    })
  )

  it.live("of this machine is the one in its table", () =>
    Effect.gen(function* () {
      const found = yield* Effect.option(Effect.provide(finder.find(process.platform), finder.layerNode))
      // What other systems say is known from samples only.
      const table = process.platform === "linux" ? readFileSync("/proc/net/route", "utf8") : undefined
      assert.strictEqual(text(found), table === undefined ? text(found) : text(routes.fromLinux(table)))
    })
  )
})
