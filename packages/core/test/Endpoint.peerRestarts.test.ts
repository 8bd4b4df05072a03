/**
 * Peers that have crashed and are back on their port, and peers that are only slow: what waits for them, on which
 * connection. Both without a dial by the peer; for that see `Endpoint.duplicateConnections.test.ts`.
 */
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { IdleTimedOut, StatelessReset } from "../src/Close.ts"
import type { Connection } from "../src/Connection.ts"
import type * as Endpoint from "../src/Endpoint.ts"
import { bytes, textOf } from "./support/values.ts"
import * as memory from "./support/memoryEndpoints.ts"

type Service = Endpoint.Endpoint["Service"]

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

/** Nothing but what this is about ends a connection in time. */
const patient = { idleTimeout: "1 hour" } as const

/** What is promised with the defaults. */
const soon = "3 seconds"

/** `one` has a connection with `two`, which it dialled or was dialled on. */
const joined = Effect.fnUntraced(function* (by: "one" | "two") {
  const [one, two] = yield* memory.pair(patient, patient)
  if (by === "one") yield* one.connectTo(there)
  else yield* two.connectTo(here)
  yield* memory.settle
  return { one, two, connection: yield* one.connectTo(there) }
})

/** Like a crash of `two`, and a new start on its port: it knows the connection no more, and `one` was not told. */
const restart = memory.kill(there, here)

/** How `effect` has ended after so much time; fails if it has not. */
const within = <A, E, R>(time: Duration.Input, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* memory.settle
    yield* TestClock.adjust(time)
    yield* memory.settle
    assert.isDefined(fiber.pollUnsafe(), "it still waits")
    return yield* Fiber.join(fiber)
  })

const tagOf = (error: { readonly _tag: string; readonly reason?: { readonly _tag: string } }) =>
  error.reason === undefined ? error._tag : `${error._tag} ${error.reason._tag}`

for (const by of ["one", "two"] as const) {
  const who = by === "one" ? "that was dialled" : "that had dialled"

  describe(`a peer ${who}, and has crashed and is back`, () => {
    it.effect("gets what is sent to it over a new connection, soon", () =>
      Effect.gen(function* () {
        const { connection, one, two } = yield* joined(by)
        yield* restart
        yield* within(soon, one.sendMessage(bytes("are you there?"), there))
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "are you there?")
        assert.deepStrictEqual((yield* one.nextDisconnection).reason, new IdleTimedOut())
        assert.isTrue((yield* one.connectTo(there)) !== connection)
        assert.isTrue((yield* one.connectTo(there)) === (yield* one.connectTo(there)))
      }).pipe(memory.onNetwork)
    )

    it.effect("gets what was being sent when it crashed", () =>
      Effect.gen(function* () {
        const { one, two } = yield* joined(by)
        yield* memory.blackhole(there)
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("in the midst"), there))
        yield* memory.settle
        yield* TestClock.adjust("20 seconds")
        assert.isUndefined(sending.pollUnsafe())
        yield* restart
        yield* memory.heal
        yield* within(soon, Fiber.join(sending))
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "in the midst")
      }).pipe(memory.onNetwork)
    )

    it.effect("and resets the connection, gets what was being sent, and what is sent later, at once", () =>
      Effect.gen(function* () {
        const { connection, one, two } = yield* joined(by)
        yield* memory.blackhole(there)
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("in the midst"), there))
        const bound = yield* Effect.forkChild(Effect.flip(connection.send(bytes("bound to the connection"))))
        yield* memory.settle
        yield* memory.heal
        yield* memory.reset(there, here)
        // No time passes.
        yield* memory.settle
        assert.isDefined(sending.pollUnsafe(), "it still waits")
        yield* Fiber.join(sending)
        assert.strictEqual(tagOf(yield* Fiber.join(bound)), "ConnectionLost ConnectionReset")
        const disconnection = yield* one.nextDisconnection
        assert.deepStrictEqual(disconnection.reason, new StatelessReset())
        assert.isTrue(disconnection.peerId === connection.peerId)
        yield* one.sendMessage(bytes("later"), connection.peerId)
        const received = [yield* two.nextMessage, yield* two.nextMessage].map(({ payload }) => textOf(payload))
        assert.deepStrictEqual(received.slice(-1), ["later"])
        assert.include(received, "in the midst")
        assert.isTrue((yield* one.connectTo(connection.peerId)) !== connection)
      }).pipe(memory.onNetwork)
    )

    const waits: Record<
      string,
      (self: Service, connection: Connection) => Effect.Effect<unknown, Parameters<typeof tagOf>[0]>
    > = {
      "connection.send": (_, connection) => connection.send(bytes("x")),
      trySendMessage: (self) => self.trySendMessage(bytes("x"), there),
      "finish of a stream": (_, connection) =>
        Effect.flatMap(connection.openUni(), (stream) => Effect.andThen(stream.sendMessage(bytes("x")), stream.finish)),
      "an answer that is awaited": (_, connection) =>
        Effect.flatMap(connection.openBi(), ({ receive, send }) =>
          Effect.andThen(send.sendMessage(bytes("a question")), receive.next)
        )
    }
    for (const [name, wait] of Object.entries(waits)) {
      it.effect(`fails ${name}, which is bound to the connection, soon`, () =>
        Effect.gen(function* () {
          const { connection, one, two } = yield* joined(by)
          yield* restart
          const error = yield* within(soon, Effect.flip(wait(one, connection)))
          assert.strictEqual(tagOf(error), "ConnectionLost ConnectionTimedOut")
          // The new connection is there for what comes next.
          yield* one.trySendMessage(bytes("next"), there)
          assert.strictEqual(textOf((yield* two.nextMessage).payload), "next")
        }).pipe(memory.onNetwork)
      )
    }

    it.effect("gets what is sent to it after others have given up waiting for it", () =>
      Effect.gen(function* () {
        const { one, two } = yield* joined(by)
        yield* memory.blackhole(there)
        for (let i = 0; i < 5; i++) {
          const sending = yield* Effect.forkChild(one.sendMessage(bytes("given up"), there))
          yield* memory.settle
          yield* TestClock.adjust("2 seconds")
          yield* Fiber.interrupt(sending)
          yield* TestClock.adjust("800 millis")
        }
        yield* restart
        yield* memory.heal
        yield* within(soon, one.sendMessage(bytes("at last"), there))
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "at last")
      }).pipe(memory.onNetwork)
    )

    it.effect("again and again, gets what is sent to it each time", () =>
      Effect.gen(function* () {
        const { one, two } = yield* joined(by)
        for (const text of ["one", "two", "three"]) {
          yield* restart
          yield* within(soon, one.sendMessage(bytes(text), there))
          assert.strictEqual(textOf((yield* two.nextMessage).payload), text)
        }
      }).pipe(memory.onNetwork)
    )
  })
}

/** Sends to `two` while nothing gets through for so long. */
const outage = (one: Service, time: Duration.Input) =>
  Effect.gen(function* () {
    yield* memory.blackhole(there)
    const sending = yield* Effect.forkChild(one.sendMessage(bytes("patience"), there))
    yield* memory.settle
    yield* TestClock.adjust(time)
    yield* memory.heal
    yield* TestClock.adjust("10 seconds")
    yield* Fiber.join(sending)
  })

describe("a peer that answers from another address than it was dialled at, and has crashed and is back", () => {
  const name = "10.0.0.3:2"

  for (const answersFrom of ["the same address as before", "the address that was dialled"] as const) {
    it.effect(`is dialled where it was before, and used, when it answers from ${answersFrom}`, () =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        yield* network.addAddress("10.0.0.2", "10.0.0.3")
        const [one, two] = yield* memory.pair(patient, patient)
        const connection = yield* one.connectTo(name)
        assert.strictEqual(String(connection.remoteAddress), there)
        yield* memory.settle
        let back = two
        if (answersFrom === "the address that was dialled") {
          // The virtual address has gone over to another machine.
          yield* network.blackhole("10.0.0.2")
          back = yield* memory.endpoint(name, patient)
        }
        yield* restart
        yield* within("10 seconds", one.sendMessage(bytes("are you there?"), name))
        assert.strictEqual(textOf((yield* back.nextMessage).payload), "are you there?")
        const { dialledAddress, reason } = yield* one.nextDisconnection
        assert.deepStrictEqual(reason, new IdleTimedOut())
        assert.strictEqual(String(Option.getOrThrow(dialledAddress)), name)
        const next = yield* one.connectTo(name)
        assert.isTrue(next !== connection)
        assert.strictEqual(String(next.remoteAddress), back === two ? there : name)
        yield* one.trySendMessage(bytes("next"), name)
        assert.strictEqual(textOf((yield* back.nextMessage).payload), "next")
      }).pipe(memory.onNetwork)
    )
  }
})

describe("a peer that was only out of reach", () => {
  it.effect("keeps its connection, and gets the message on it, once", () =>
    Effect.gen(function* () {
      const { connection, one, two } = yield* joined("one")
      const theirs = yield* two.nextConnection
      yield* outage(one, "20 seconds")
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "patience")
      assert.isTrue((yield* one.connectTo(there)) === connection)
      assert.isTrue((yield* two.connectTo(here)) === theirs)
      yield* connection.send(bytes("goes on"))
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "goes on")
      const nothing = yield* Effect.forkChild(one.nextDisconnection)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(nothing.pollUnsafe())
    }).pipe(memory.onNetwork)
  )

  it.effect("is followed by both, when both wait for each other", () =>
    Effect.gen(function* () {
      const { connection, one, two } = yield* joined("one")
      const theirs = yield* two.nextConnection
      yield* memory.blackhole(there)
      const sending = yield* Effect.forkChild(
        Effect.all([one.sendMessage(bytes("a"), there), two.sendMessage(bytes("b"), here)], { concurrency: 2 })
      )
      yield* memory.settle
      yield* TestClock.adjust("20 seconds")
      yield* memory.heal
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(sending)
      assert.isTrue((yield* one.connectTo(there)) === connection)
      assert.isTrue((yield* two.connectTo(here)) === theirs)
    }).pipe(memory.onNetwork)
  )
})

describe("a peer that is far away", () => {
  it.effect("keeps its connection, and is not dialled again", () =>
    memory
      .countingDials((dials) =>
        Effect.gen(function* () {
          const [one, two] = yield* memory.pair(patient, patient)
          yield* memory.setLatency("2 seconds")
          const connecting = yield* Effect.forkChild(one.connectTo(there))
          yield* TestClock.adjust("10 seconds")
          const connection = yield* Fiber.join(connecting)
          for (let i = 0; i < 5; i++) {
            const sending = yield* Effect.forkChild(one.sendMessage(bytes(`message ${i}`), there))
            yield* memory.settle
            yield* TestClock.adjust("4100 millis")
            yield* Fiber.join(sending)
            yield* two.nextMessage
          }
          assert.isTrue((yield* one.connectTo(there)) === connection)
          assert.strictEqual(dials.peers.length, 1)
        })
      )
      .pipe(memory.onNetwork)
  )
})

describe("dials beside a connection", () => {
  /** One endpoint, and the time of each of its dials that come after it has lost its peers. */
  const lost = <A, E>(peers: number, body: (one: Service, dials: memory.Dials) => Effect.Effect<A, E, Scope.Scope>) =>
    memory
      .countingDials((dials) =>
        Effect.gen(function* () {
          const one = yield* memory.endpoint(here, { ...patient, stallTimeout: "1 hour", maxConnectionsPerIp: 1_000 })
          for (let i = 0; i < peers; i++) {
            const address = `10.0.1.${i}:1`
            yield* memory.endpoint(address, patient)
            yield* one.connectTo(address)
            yield* memory.blackhole(address)
          }
          yield* memory.settle
          dials.peers.length = dials.times.length = dials.givenUp = 0
          return yield* body(one, dials)
        })
      )
      .pipe(memory.onNetwork)

  it.effect("are not made while nothing waits, although the connection is dead", () =>
    lost(1, (_, dials) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(dials.peers.length, 0)
      })
    )
  )

  it.effect("come one after the other, with pauses that grow, and end with what waits", () =>
    lost(1, (one, dials) =>
      Effect.gen(function* () {
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("x"), "10.0.1.0:1"))
        yield* memory.settle
        yield* TestClock.adjust("20 minutes")
        const gaps = dials.times.slice(1).map((time, i) => time - dials.times[i]!)
        assert.isAtLeast(gaps.length, 20)
        assert.isAtLeast(dials.givenUp, dials.peers.length - 1, "one at a time")
        assert.isAtLeast(gaps.at(-1)!, 10_000)
        assert.isAtMost(gaps[0]!, 3_000)
        for (let i = 1; i < gaps.length; i++) assert.isAtLeast(gaps[i]!, gaps[i - 1]! - 1)
        yield* Fiber.interrupt(sending)
        yield* TestClock.adjust("1 minute")
        const made = dials.peers.length
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(dials.peers.length, made)
      })
    )
  )

  it.effect("are few at once, however many peers do not answer, and each gets its turn", () =>
    lost(100, (one, dials) =>
      Effect.gen(function* () {
        yield* Effect.forEach(
          Array.from({ length: 100 }),
          (_, i) => Effect.forkChild(one.sendMessage(bytes("x"), `10.0.1.${i}:1`)),
          { discard: true }
        )
        yield* memory.settle
        let most = 0
        for (let i = 0; i < 300; i++) {
          yield* TestClock.adjust("100 millis")
          most = Math.max(most, dials.peers.length - dials.givenUp)
        }
        assert.isAtMost(most, 16)
        assert.strictEqual(new Set(dials.peers).size, 100)
      })
    )
  )

  it.effect("are not made when the peer has dialled since", () =>
    memory
      .countingDials((dials) =>
        Effect.gen(function* () {
          const { one, two } = yield* joined("one")
          yield* restart
          const sending = yield* Effect.forkChild(one.sendMessage(bytes("x"), there))
          yield* memory.settle
          yield* TestClock.adjust("500 millis")
          yield* two.connectTo(here)
          yield* within(soon, Fiber.join(sending))
          assert.deepStrictEqual(dials.peers, [there, here])
        })
      )
      .pipe(memory.onNetwork)
  )

  it.effect("leave a peer alone that is often slow: they come later each time", () =>
    memory
      .countingDials((dials) =>
        Effect.gen(function* () {
          const { connection, one, two } = yield* joined("one")
          for (let i = 0; i < 10; i++) {
            yield* outage(one, "1500 millis")
            yield* two.nextMessage
          }
          assert.isTrue((yield* one.connectTo(there)) === connection)
          // Those of the first outages; after that, the peer was given longer.
          assert.isAtMost(dials.peers.length, 1 + 3)
        })
      )
      .pipe(memory.onNetwork)
  )
})
