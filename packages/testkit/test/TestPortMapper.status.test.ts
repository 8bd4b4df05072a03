import { assert, describe, it } from "@effect/vitest"
import * as MappingStatus from "@qp2p/core/MappingStatus"
import { PortMapper } from "@qp2p/core/PortMapper"
import { GatewayNotFound } from "@qp2p/core/PortMapperError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TestClock from "effect/testing/TestClock"
import * as TestPortMapper from "../src/TestPortMapper.ts"
import { address } from "./support/recordingSockets.ts"

const { TestPortMapper: Service } = TestPortMapper

const lease = Duration.seconds(120)

const describeStatus = MappingStatus.$match({
  Mapped: ({ external }) => `Mapped ${external.port}`,
  Renewing: ({ external }) => `Renewing ${external.port}`,
  Failed: ({ error, external }) => `Failed ${external.port} ${error._tag}`,
  Lost: ({ error, external }) => `Lost ${external.port} ${error._tag}`,
  Remapped: ({ before, external }) => `Remapped ${external.port} from ${before.port}`
})

/** Maps a port and writes down what becomes of it, with the second in which it does. */
const follow = Effect.fnUntraced(function* (internal: string) {
  const { map } = yield* PortMapper
  const { external, status } = yield* map({ internal: address(internal), lease })
  const seen: Array<string> = []
  yield* SubscriptionRef.changes(status).pipe(
    Stream.runForEach((next) =>
      Effect.map(Clock.currentTimeMillis, (now) => seen.push(`${now / 1_000} ${describeStatus(next)}`))
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  return { external, status, seen }
})

const onMapper = Effect.provide(TestPortMapper.layer())

describe("the status of a mapping of TestPortMapper", () => {
  it.effect("says at each renewal that it is asked for, and that it is granted again", () =>
    Effect.gen(function* () {
      const { seen, status } = yield* follow("192.168.1.2:4433")
      yield* TestClock.adjust("130 seconds")
      assert.deepStrictEqual(seen, [
        "0 Mapped 4433",
        "60 Renewing 4433",
        "60 Mapped 4433",
        "120 Renewing 4433",
        "120 Mapped 4433"
      ])
      const now = yield* SubscriptionRef.get(status)
      assert.strictEqual(NetAddress.formatInet(now.external), "203.0.113.1:4433")
    }).pipe(onMapper)
  )

  it.effect("says what a renewal failed with, once that the lease has run out, and when it is mapped again", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      const { seen } = yield* follow("192.168.1.2:4433")
      yield* mapper.failNext(new GatewayNotFound(), 3)
      yield* TestClock.adjust("250 seconds")
      assert.deepStrictEqual(seen, [
        "0 Mapped 4433",
        "60 Renewing 4433",
        "60 Failed 4433 GatewayNotFound",
        "120 Lost 4433 GatewayNotFound",
        "240 Mapped 4433"
      ])
    }).pipe(onMapper)
  )

  it.effect("says that it is lost when the gateway takes longer to answer than the lease lasts", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      const { seen } = yield* follow("192.168.1.2:4433")
      yield* mapper.setDelay("100 seconds")
      yield* TestClock.adjust("170 seconds")
      assert.deepStrictEqual(seen, [
        "0 Mapped 4433",
        "60 Renewing 4433",
        "120 Lost 4433 PortMapperTimedOut",
        "160 Mapped 4433"
      ])
    }).pipe(onMapper)
  )

  it.effect("says that it is forgotten at once and only once, and where it is mapped instead", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      const { seen } = yield* follow("192.168.1.2:4433")
      yield* TestClock.adjust("1 seconds")
      yield* mapper.forget
      yield* TestClock.adjust("1 seconds")
      const another = yield* follow("192.168.1.3:4433")
      assert.strictEqual(another.external.port, 4433)
      yield* TestClock.adjust("62 seconds")
      yield* mapper.forget
      yield* TestClock.adjust("57 seconds")
      assert.deepStrictEqual(seen, [
        "0 Mapped 4433",
        "1 Lost 4433 GatewayProtocolError",
        "60 Remapped 4434 from 4433",
        "64 Lost 4434 GatewayProtocolError",
        "120 Remapped 4433 from 4434"
      ])
    }).pipe(onMapper)
  )

  it.effect("does not say that the lease has run out when it was forgotten before", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      const { seen } = yield* follow("192.168.1.2:4433")
      yield* mapper.forget
      yield* mapper.forget
      yield* mapper.failNext(new GatewayNotFound(), 2)
      yield* TestClock.adjust("130 seconds")
      assert.deepStrictEqual(seen, ["0 Mapped 4433", "0 Lost 4433 GatewayProtocolError"])
    }).pipe(onMapper)
  )

  it.effect("says nothing any more when its scope is closed", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      const scope = yield* Scope.make()
      const { map } = yield* PortMapper
      const { status } = yield* Scope.provide(map({ internal: address("192.168.1.2:4433"), lease }), scope)
      yield* Scope.close(scope, Exit.void)
      yield* mapper.forget
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(describeStatus(yield* SubscriptionRef.get(status)), "Mapped 4433")
    }).pipe(onMapper)
  )
})
