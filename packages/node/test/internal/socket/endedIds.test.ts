import { assert, describe, it } from "@effect/vitest"
import { EndedIds, SentClose } from "../../../src/internal/socket/endedIds.ts"
import { endedIdLifetime } from "../../../src/internal/tunables/connectionIds.ts"
import { at } from "../../support/quicSockets.ts"

const setup = (mostConnections = 1_000) => {
  const clock = { now: 0 }
  const sent: Array<readonly [packet: Uint8Array, to: string]> = []
  const ids = new EndedIds({
    mostConnections,
    now: () => clock.now,
    sendImmediate: (packet, to) => sent.push([packet, String(to)])
  })
  return { clock, ids, sent }
}

describe("the ids of connections that have ended a moment ago", () => {
  it("are known for some time, and then no longer, at whatever time they were added", () => {
    for (let offset = 0; offset < endedIdLifetime; offset += 100) {
      const { clock, ids } = setup()
      ids.add(["first"])
      clock.now = offset
      ids.add(["a", "b"])
      for (; clock.now <= offset + endedIdLifetime - 1; clock.now += 100) {
        ids.tick()
        assert.isTrue(ids.take("b") && ids.has("a"))
      }
      for (; clock.now < offset + 3 * endedIdLifetime; clock.now += 1_000) ids.tick()
      ids.tick()
      assert.isFalse(ids.take("a") || ids.has("b"))
    }
  })

  it("are not known after a long silence", () => {
    const { clock, ids } = setup()
    ids.add(["a"])
    clock.now = 2 * endedIdLifetime
    ids.tick()
    assert.isFalse(ids.take("a"))
    assert.isFalse(ids.take("b"))
  })

  it("are those of so many connections at least, the latest ones, and of twice as many at most", () => {
    const { ids } = setup(100)
    const all = Array.from({ length: 1_000 }, (_, i) => Array.from({ length: 10 }, (_, j) => `${i} ${j}`))
    for (const [i, keys] of all.entries()) {
      ids.add(keys)
      for (const each of all.slice(Math.max(0, i - 99), i + 1)) assert.isTrue(each.every((id) => ids.has(id)))
      assert.isAtMost(all.filter((each) => ids.has(each[0]!)).length, 200)
    }
  })

  it("have late packets answered with the close frame, less and less often, whichever of the ids they are for", () => {
    const { clock, ids, sent } = setup()
    const frame = Uint8Array.of(0xcc)
    ids.add(["a", "b"], new SentClose(frame, at(7)))
    const answers = Array.from({ length: 8 }, (_, i) => {
      // The second half comes when the ids are among the old ones.
      clock.now = i < 4 ? 0 : endedIdLifetime
      ids.tick()
      assert.isTrue(ids.take(i % 2 === 0 ? "a" : "b"))
      return sent.splice(0)
    })
    assert.deepStrictEqual(
      answers.map((each) => each.length),
      [1, 1, 0, 1, 0, 0, 0, 1]
    )
    assert.deepStrictEqual(answers[0], [[frame, "127.0.0.1:7"]])
  })

  it("have late packets answered with nothing when this side has not closed, and nothing is sent to find out", () => {
    const { ids, sent } = setup()
    ids.add(["a"])
    ids.add(["b"], new SentClose(Uint8Array.of(0xcc), at(7)))
    assert.isTrue(ids.take("a") && ids.has("b"))
    assert.deepStrictEqual(sent, [])
  })
})
