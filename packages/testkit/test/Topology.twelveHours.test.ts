/**
 * Half a day in the life of twenty endpoints, each connected with every other, that come and go while the network
 * between them breaks and heals.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as Array from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import * as TestIdentity from "../src/TestIdentity.ts"

const addresses = Array.makeBy(20, (index) => `10.0.0.${index + 1}:4433`)

/** Notes what an endpoint saw or did. */
type Note = (event: string) => Effect.Effect<void>

/** Sleeps that long, in milliseconds, as chance has it. */
const pause = (least: Duration.Duration, most: Duration.Duration) =>
  Effect.flatMap(Random.nextIntBetween(Duration.toMillis(least), Duration.toMillis(most)), (millis) =>
    Effect.sleep(millis)
  )

/** What endpoints do while they live: keep the mesh together, talk, and note what comes. */
const live = Effect.fnUntraced(function* (address: string, note: Note, nextText: () => string) {
  // A key of its own choice would be another one in each run, and come when the machine has made it.
  const endpoint = yield* Endpoint.make({ localAddress: address, identity: TestIdentity.make(address) })
  const watch = <A>(stream: Stream.Stream<A>, show: (value: A) => string) =>
    Effect.forkScoped(Stream.runForEach(stream, (value) => note(show(value))))
  yield* watch(endpoint.incomingConnections, ({ remoteAddress }) => `dialled by ${remoteAddress}`)
  yield* watch(endpoint.incomingMessages, ({ payload, peer }) => `${peer} says ${new TextDecoder().decode(payload)}`)
  yield* watch(endpoint.disconnections, ({ peer, reason }) => `${peer} is gone: ${reason._tag}`)

  // Whoever of two comes first in the list keeps them connected, with a dial a minute while they are not.
  const dialled = addresses.slice(addresses.indexOf(address) + 1)
  yield* Effect.filter(dialled, (peer) => Effect.map(endpoint.connectionId(peer), Option.isNone)).pipe(
    Effect.flatMap(
      Effect.forEach((peer) => Effect.ignore(endpoint.connectToAny([peer])), { concurrency: "unbounded" })
    ),
    Effect.andThen(Effect.sleep("1 minute")),
    Effect.forever,
    Effect.forkScoped
  )

  const others = addresses.filter((other) => other !== address)
  while (true) {
    yield* pause(Duration.seconds(1), Duration.minutes(2))
    const peer = yield* Random.choice(others)
    const text = nextText()
    yield* endpoint.sendMessage(new TextEncoder().encode(text), peer).pipe(
      Effect.matchEffect({
        onFailure: ({ _tag }) => note(`could not tell ${peer} ${text}: ${_tag}`),
        onSuccess: () => note(`has told ${peer} ${text}`)
      }),
      Effect.forkScoped
    )
  }
}, Effect.scoped)

/** The endpoint at `address` leaves and comes back, over and over. */
const comeAndGo = (address: string, note: Note) => {
  let texts = 0
  return Effect.gen(function* () {
    yield* note("comes")
    const life = live(address, note, () => `no. ${++texts}`)
    yield* Effect.raceFirst(life, pause(Duration.minutes(10), Duration.hours(4)))
    yield* note("goes")
    yield* pause(Duration.seconds(10), Duration.minutes(20))
  }).pipe(Effect.forever)
}

/** Cuts the endpoints into two groups now and then, and joins them again. */
const breakAndHeal = Effect.gen(function* () {
  const network = yield* MemoryNetwork
  yield* pause(Duration.minutes(5), Duration.minutes(40))
  const shuffled = yield* Random.shuffle(addresses)
  const size = yield* Random.nextIntBetween(1, addresses.length)
  yield* network.partition(shuffled.slice(0, size), shuffled.slice(size))
  yield* pause(Duration.seconds(1), Duration.minutes(10))
  yield* network.heal
}).pipe(Effect.forever)

/** Everything that the endpoints saw and did in the first `hours` hours, line by line. */
const simulate = (seed: string, hours: number) =>
  Effect.gen(function* () {
    const trace: Array<string> = []
    const noteAs =
      (who: string): Note =>
      (event) =>
        Effect.map(Clock.currentTimeMillis, (time) => void trace.push(`${time} ${who} ${event}`))
    const network = yield* MemoryNetwork
    yield* network.setLatency("30 millis")
    const fibers = yield* Effect.forEach(addresses, (address) => Effect.forkChild(comeAndGo(address, noteAs(address))))
    const weather = yield* Effect.forkChild(breakAndHeal)
    yield* TestClock.adjust(Duration.hours(hours))
    // They go on for ever: one that has ended has failed.
    for (const fiber of [...fibers, weather]) assert.isUndefined(fiber.pollUnsafe())
    const seen = trace.slice()
    yield* Fiber.interruptAll([...fibers, weather])
    return seen
  }).pipe(
    Effect.provide(Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone)),
    Random.withSeed(seed),
    // A clock of its own, so that every run begins at the same time.
    Effect.provide(TestClock.layer())
  )

/** Where two traces part: whole ones would take minutes to print. */
const firstDifference = (one: ReadonlyArray<string>, other: ReadonlyArray<string>) => {
  const index = Array.range(0, Math.max(one.length, other.length)).find((index) => one[index] !== other[index])
  return index === undefined ? undefined : { index, one: one[index], other: other[index] }
}

/** What somebody has told, and whoever was told does not know. */
const unheard = (trace: ReadonlyArray<string>) => {
  const heard = new Set(trace.map((line) => line.replace(/^\S+ (\S+) (\S+) says (.*)$/u, "$2 has told $1 $3")))
  return trace.map((line) => line.replace(/^\S+ /u, "")).filter((line) => / has told /u.test(line) && !heard.has(line))
}

describe("twelve hours of a mesh of twenty", () => {
  it.live(
    "are the same twice with the same seed, and others with another [slow]",
    () =>
      Effect.gen(function* () {
        const trace = yield* simulate("a seed", 12)
        for (const [event, least] of [
          [/ comes$/u, 50],
          [/ goes$/u, 50],
          [/ dialled by /u, 500],
          [/ says /u, 5_000],
          [/ has told /u, 5_000],
          [/ could not tell .*: ConnectionLost$/u, 100],
          [/ is gone: ApplicationClosed$/u, 100],
          [/ is gone: IdleTimedOut$/u, 100]
        ] as const) {
          assert.isAbove(trace.filter((line) => event.test(line)).length, least, String(event))
        }
        assert.deepStrictEqual(unheard(trace), [])

        assert.isUndefined(firstDifference(yield* simulate("a seed", 12), trace))
        const other = yield* simulate("another seed", 1)
        assert.isDefined(firstDifference(other, trace.slice(0, other.length)))
      }),
    240_000
  )
})
