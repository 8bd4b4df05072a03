/** Finds the gateway of the IPv4 default route. */
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { GatewayNotFound } from "@qp2p/core/PortMapperError"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import * as routes from "./routes.ts"

/** Finds the default gateway. Tests replace it. */
export type Find = Effect.Effect<NetAddress.Ipv4Address, GatewayNotFound>

/** Node's services that `find` needs. */
export const layerNode: Layer.Layer<FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner> =
  Layer.provideMerge(NodeChildProcessSpawner.layer, Layer.merge(NodeFileSystem.layer, NodePath.layer))

/** The time for the command that prints the routes, which takes milliseconds. */
const timeout = Duration.seconds(3)

/** The largest number of output chunks that are read: a home computer has far fewer routes. */
const maxChunks = 64

/** Finds the gateway of the IPv4 default route on a platform, named as in `process.platform`. */
export const find = (
  platform: string
): Effect.Effect<
  NetAddress.Ipv4Address,
  GatewayNotFound,
  FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner
> =>
  gatewayOf(platform).pipe(
    Effect.timeout(timeout),
    Effect.flatMap(Effect.fromOption),
    Effect.mapError(() => new GatewayNotFound())
  )

const gatewayOf = Effect.fnUntraced(function* (
  platform: string
): Effect.fn.Return<
  Option.Option<NetAddress.Ipv4Address>,
  GatewayNotFound | PlatformError.PlatformError | Config.ConfigError,
  FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner
> {
  switch (platform) {
    case "linux":
    case "android": {
      const fileSystem = yield* FileSystem.FileSystem
      return routes.fromLinux(yield* fileSystem.readFileString("/proc/net/route"))
    }
    case "darwin":
    case "freebsd":
    case "openbsd":
      // By its path: programs started from a desktop do not have `/sbin` on their `PATH`.
      return routes.fromBsd(yield* run("/sbin/route", ["-n", "get", "default"]))
    case "win32": {
      // By its path: Windows searches the working directory for a bare name first.
      const root = yield* Config.withDefault(Config.String("SystemRoot"), "C:\\Windows")
      return routes.fromWindows(yield* run(`${root}\\System32\\route.exe`, ["print", "-4", "0.0.0.0"]))
    }
    default:
      return yield* new GatewayNotFound()
  }
})

const run = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>
): Effect.fn.Return<string, PlatformError.PlatformError, ChildProcessSpawner.ChildProcessSpawner> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.streamString(ChildProcess.make(command, args)).pipe(Stream.take(maxChunks), Stream.mkString)
})
