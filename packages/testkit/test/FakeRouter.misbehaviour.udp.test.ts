/**
 * That a router told to misbehave does so: what comes is looked at byte by byte.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FakeRouter from "../src/FakeRouter.ts"
import * as Misbehaviour from "../src/Misbehaviour.ts"
import { ask, natPmpAddress, natPmpMap, pcpMap, ports, told, udp, until } from "./support/routerClients.ts"

describe("Misbehaviour in NAT-PMP and PCP", () => {
  const questions = { "NAT-PMP": natPmpMap(), PCP: pcpMap() }
  for (const [protocol, question] of Object.entries(questions)) {
    /** The same router's right answer, without what it changes with the time. */
    const answers = Effect.fnUntraced(function* (misbehaviour: Misbehaviour.Misbehaviour) {
      const router = yield* FakeRouter.make()
      yield* router.misbehave(misbehaviour, 1)
      const wrong = yield* ask(router, question)
      assert.deepStrictEqual(yield* ports(router), [5000])
      return { router, wrong, right: yield* ask(router, question) }
    })

    it.effect(`is silent, in ${protocol}, and has made the mapping`, () =>
      Effect.gen(function* () {
        const router = yield* FakeRouter.make()
        yield* router.misbehave(Misbehaviour.SilentPort({}), 1)
        const socket = yield* udp
        socket.send(question, router.natPmp)
        yield* router.received("Map")
        assert.deepStrictEqual(yield* ports(router), [5000])
        socket.send(question, router.natPmp)
        yield* router.received("Map", 2)
        yield* until("an answer", () => socket.received.length > 0)
        assert.strictEqual(socket.received.length, 1)
      })
    )

    it.effect(`listens no more, in ${protocol}`, () =>
      Effect.gen(function* () {
        const router = yield* told(Misbehaviour.ClosedPort())
        const socket = yield* udp
        yield* socket.connect(router.natPmp)
        socket.sendConnected(question)
        yield* until("the network reports it", () => socket.errors.length > 0)
        assert.deepStrictEqual(socket.errors, ["ECONNREFUSED"])
      })
    )

    it.effect(`answers with bytes of no meaning, or too few, in ${protocol}`, () =>
      Effect.gen(function* () {
        const garbage = yield* answers(Misbehaviour.GarbageDatagram({}))
        assert.isTrue(garbage.wrong.bytes.every((byte) => byte === 0x5a))
        const { right, wrong } = yield* answers(Misbehaviour.TruncatedAnswer({ length: 5 }))
        assert.deepStrictEqual([...wrong.bytes], [...right.bytes.subarray(0, 5)])
      })
    )

    it.effect(`answers in another version, or with another opcode, in ${protocol}`, () =>
      Effect.gen(function* () {
        const opcode = yield* answers(Misbehaviour.WrongOpcode({}))
        assert.deepStrictEqual([opcode.right.bytes[1], opcode.wrong.bytes[1]], [0x81, 0x83])
        const version = yield* answers(Misbehaviour.WrongVersion({ version: 9 }))
        assert.strictEqual(version.wrong.bytes[0], 9)
        assert.deepStrictEqual([...version.wrong.bytes.subarray(1)], [...version.right.bytes.subarray(1)])
      })
    )

    it.effect(`answers from another port, in ${protocol}`, () =>
      Effect.gen(function* () {
        const { right, router, wrong } = yield* answers(Misbehaviour.OtherSource({}))
        assert.strictEqual(right.port, router.natPmp.port)
        assert.notStrictEqual(wrong.port, router.natPmp.port)
        assert.deepStrictEqual([...wrong.bytes], [...right.bytes])
      })
    )

    it.effect(`refuses, in ${protocol}, and makes no mapping`, () =>
      Effect.gen(function* () {
        const router = yield* told(Misbehaviour.Refusal({ at: "Map", code: 8 }))
        assert.strictEqual((yield* ask(router, question)).bytes[3], 8)
        assert.deepStrictEqual(yield* ports(router), [])
      })
    )

    it.effect(`counts backwards, in ${protocol}`, () =>
      Effect.gen(function* () {
        const router = yield* told(Misbehaviour.BackwardEpoch())
        const at = protocol === "PCP" ? 8 : 4
        const epochs = yield* Effect.forEach([1, 2, 3], () =>
          Effect.map(ask(router, question), ({ view }) => view.getUint32(at))
        )
        assert.deepStrictEqual(epochs, [900, 800, 700])
      })
    )
  }

  it.effect("misbehaves at that question only", () =>
    Effect.gen(function* () {
      const router = yield* told(
        Misbehaviour.TruncatedAnswer({ at: "Map", length: 1 }),
        Misbehaviour.Refusal({ at: "ExternalAddress", code: 3 })
      )
      assert.strictEqual((yield* ask(router, natPmpAddress)).bytes[3], 3)
      assert.strictEqual((yield* ask(router, natPmpMap())).bytes.length, 1)
      assert.strictEqual((yield* ask(router, pcpMap())).bytes.length, 1)
      yield* router.behave
      assert.strictEqual((yield* ask(router, natPmpMap())).bytes.length, 16)
    })
  )

  it.effect("answers PCP with another nonce", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.WrongNonce())
      const { bytes } = yield* ask(router, pcpMap())
      assert.notDeepEqual([...bytes.subarray(24, 36)], [...pcpMap().subarray(24, 36)])
      assert.strictEqual(bytes[3], 0)
    })
  )
})
