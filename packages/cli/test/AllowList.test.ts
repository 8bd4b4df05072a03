import { assert, describe, it } from "@effect/vitest"
import type { Direction } from "@qp2p/core/Direction"
import * as PeerPolicy from "@qp2p/core/PeerPolicy"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Effect from "effect/Effect"
import * as AllowList from "../src/AllowList.ts"
import { alice } from "./support/fakeStream.ts"

const [ann, bob, eve] = [TestIdentity.make("ann"), TestIdentity.make("bob"), TestIdentity.make("eve")]

/** Which of the peers are let in, and which are told to have been refused. */
const ask = Effect.fnUntraced(function* (allowed: ReadonlyArray<typeof ann>, direction: Direction) {
  const told: Array<string> = []
  const layer = AllowList.layer(
    allowed.map(({ peerId }) => peerId),
    ({ peerId }) => Effect.sync(() => void told.push(peerId))
  )
  const policy = yield* Effect.provide(PeerPolicy.PeerPolicy, layer)
  const isLetIn = ({ peerId }: typeof ann) => policy({ peerId, address: alice, direction })
  return { letIn: yield* Effect.filter([ann, bob, eve], isLetIn), told }
})

describe("AllowList", () => {
  it.effect.each(["Inbound", "Outbound"] as const)("lets every peer in when it is empty: %s", (direction) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask([], direction), { letIn: [ann, bob, eve], told: [] })
    })
  )

  it.effect("has connections with the listed peers only, and tells of others that dial", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask([ann, bob], "Inbound"), { letIn: [ann, bob], told: [eve.peerId] })
      assert.deepStrictEqual(yield* ask([ann, bob], "Outbound"), { letIn: [ann, bob], told: [] })
    })
  )
})
