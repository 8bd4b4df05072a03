/**
 * Chance, logs and statuses for tests of leases, whichever protocol holds them.
 */
import type { MappingStatus } from "@qp2p/core/MappingStatus"
import type { Mapping } from "@qp2p/core/PortMapper"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as NetAddress from "effect/net/NetAddress"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"

/** A source of chance that always says the same: 0 for the shortest waits, almost 1 for the longest. */
export const chance = (value: number): Random.Random => ({
  nextDoubleUnsafe: () => value,
  nextIntUnsafe: () => Math.floor(value * Number.MAX_SAFE_INTEGER)
})

export const almostOne = 1 - Number.EPSILON

/** Every wait after a failure is as long as it may be. */
export const longestWaits = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Random.Random, chance(almostOne))

/** Keeps the first part of each log line, and waits for lines. */
export const recordingLogger = () => {
  const lines: Array<string> = []
  const waiting: Array<() => void> = []
  const logger = Logger.make((log) => {
    lines.push(String(Array.isArray(log.message) ? log.message[0] : log.message))
    waiting.splice(0).forEach((wake) => wake())
  })
  const logged = (count: number) =>
    Effect.promise(async () => {
      while (lines.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    })
  return { lines, logged, layer: Logger.layer([logger]) }
}

/** A status in a few words. */
export const inWords = (status: MappingStatus): string => {
  const external = NetAddress.formatInet(status.external)
  switch (status._tag) {
    case "Failed":
    case "Lost":
      return `${status._tag} ${external} ${status.error._tag}`
    case "Remapped":
      return `Remapped ${external} before ${NetAddress.formatInet(status.before)}`
    default:
      return `${status._tag} ${external}`
  }
}

/** Collects what the mapping's status was, from now on. */
export const recordStatus = Effect.fnUntraced(function* ({ status }: Mapping) {
  const seen: Array<string> = []
  const waiting: Array<() => void> = []
  yield* Effect.forkScoped(
    Stream.runForEach(SubscriptionRef.changes(status), (each) =>
      Effect.sync(() => {
        seen.push(inWords(each))
        waiting.splice(0).forEach((wake) => wake())
      })
    )
  )
  yield* Effect.yieldNow
  const reached = (count: number) =>
    Effect.promise(async () => {
      while (seen.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    })
  return { seen, reached }
})
