import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as FakeRouter from "../src/FakeRouter.ts"
import {
  ask,
  mappings,
  names,
  natPmp,
  natPmpAddress,
  natPmpMap,
  pcp,
  pcpMap,
  type PcpOptions
} from "./support/routerClients.ts"

describe("FakeRouter, in NAT-PMP", () => {
  it.effect("tells its address, maps a port and removes it", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* TestClock.adjust("3 seconds")
      const address = yield* ask(router, natPmpAddress)
      assert.deepStrictEqual(natPmp(address), { version: 0, opcode: 128, code: 0, epoch: 1_003 })
      assert.deepStrictEqual([...address.bytes.subarray(8)], [203, 0, 113, 1])
      const mapped = yield* ask(router, natPmpMap())
      assert.deepStrictEqual(natPmp(mapped), { version: 0, opcode: 129, code: 0, epoch: 1_003 })
      assert.deepStrictEqual(
        [mapped.view.getUint16(8), mapped.view.getUint16(10), mapped.view.getUint32(12)],
        [4433, 5000, 120]
      )
      assert.deepStrictEqual(yield* mappings(router), ["NAT-PMP UDP 127.0.0.1:4433 203.0.113.1:5000 120"])
      const removed = yield* ask(router, natPmpMap({ external: 0, lifetime: 0 }))
      assert.deepStrictEqual([removed.view.getUint16(10), removed.view.getUint32(12)], [0, 0])
      assert.deepStrictEqual(yield* mappings(router), [])
      assert.deepStrictEqual(yield* names(router), ["NAT-PMP ExternalAddress", "NAT-PMP Map", "NAT-PMP Unmap"])
    })
  )

  it.effect("gives the next port when one is taken, and the same one again", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* router.occupy(5000)
      for (const wished of [5000, 7000]) {
        assert.strictEqual((yield* ask(router, natPmpMap({ external: wished }))).view.getUint16(10), 5001)
      }
    })
  )

  it.effect("says that it does not know an opcode, or PCP", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make({ protocols: ["NAT-PMP"] })
      assert.strictEqual(natPmp(yield* ask(router, Uint8Array.of(0, 9))).code, 5)
      assert.deepInclude(natPmp(yield* ask(router, pcpMap())), { version: 0, opcode: 129, code: 1 })
      assert.include(yield* names(router), "PCP UnknownVersion")
      assert.deepStrictEqual(yield* mappings(router), [])
    })
  )
})

describe("FakeRouter, in PCP", () => {
  it.effect("maps a port, renews it and removes it", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      const answer = yield* ask(router, pcpMap())
      assert.deepStrictEqual(pcp(answer), { version: 2, opcode: 129, code: 0, lifetime: 120, epoch: 1_000 })
      assert.deepStrictEqual([...answer.bytes.subarray(24, 36)], [...pcpMap().subarray(24, 36)])
      assert.deepStrictEqual([answer.view.getUint16(40), answer.view.getUint16(42)], [4433, 5000])
      assert.deepStrictEqual([...answer.bytes.subarray(54, 60)], [0xff, 0xff, 203, 0, 113, 1])
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* ask(router, pcpMap({ external: 7000 }))).view.getUint16(42), 5000)
      assert.deepStrictEqual(yield* mappings(router), ["PCP UDP 127.0.0.1:4433 203.0.113.1:5000 120"])
      assert.strictEqual(pcp(yield* ask(router, pcpMap({ lifetime: 0 }))).code, 0)
      assert.deepStrictEqual(yield* mappings(router), [])
      const { details } = yield* router.received("Map")
      assert.deepInclude(details, { client: "127.0.0.1", internalPort: "4433", externalPort: "5000", lifetime: "120" })
    })
  )

  it.effect.each<readonly [string, PcpOptions, number]>([
    ["a client that is elsewhere", { client: "192.168.1.2" }, 12],
    ["an opcode that it does not know", { opcode: 2 }, 4],
    ["a protocol that has no ports", { protocol: 1 }, 9]
  ])("refuses %s", ([, options, code]) =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      assert.strictEqual(pcp(yield* ask(router, pcpMap(options))).code, code)
      assert.deepStrictEqual(yield* mappings(router), [])
    })
  )

  it.effect("refuses a request without the nonce of the mapping", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* ask(router, pcpMap())
      for (const lifetime of [120, 0]) {
        assert.strictEqual(pcp(yield* ask(router, pcpMap({ nonce: 2, lifetime }))).code, 2)
      }
      assert.strictEqual((yield* mappings(router)).length, 1)
    })
  )

  it.effect("answers to announcements, and refuses what is too short and what is NAT-PMP", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make({ protocols: ["PCP"] })
      const announced = yield* ask(router, pcpMap({ opcode: 0 }))
      assert.deepInclude(pcp(announced), { opcode: 128, code: 0, epoch: 1_000 })
      assert.strictEqual(pcp(yield* ask(router, pcpMap().subarray(0, 24))).code, 3)
      assert.strictEqual(pcp(yield* ask(router, pcpMap().subarray(0, 2))).code, 3)
      assert.deepInclude(pcp(yield* ask(router, natPmpAddress)), { version: 2, opcode: 128, code: 1 })
      assert.include(yield* names(router), "NAT-PMP UnknownVersion")
    })
  )
})
