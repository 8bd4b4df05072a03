import { assert, describe, it } from "@effect/vitest"
import { EndedIds, SentClose } from "../../../src/internal/socket/endedIds.ts"
import { endedIdLifetime, maxEndedIds } from "../../../src/internal/tunables/connectionIds.ts"
import { at } from "../../support/quicSockets.ts"

const setup = () => {
  const clock = { now: 0 }
  const sent: Array<readonly [packet: Uint8Array, to: string]> = []
  const ids = new EndedIds(
    () => clock.now,
    (packet, to) => sent.push([packet, String(to)])
  )
  return { clock, ids, sent }
}

describe("the ids of connections that have ended a moment ago", () => {
  it("are known for some time, and then no longer, at whatever time they were added", () => {
    for (let offset = 0; offset < endedIdLifetime; offset += 100) {
      const { clock, ids } = setup()
      ids.add(["first"])
      clock.now = offset
      ids.add(["a", "b"])
      for (; clock.now <= offset + endedIdLifetime - 1; clock.now += 100) assert.isTrue(ids.take("b"))
      clock.now = offset + endedIdLifetime - 1
      assert.isTrue(ids.take("a"))
      clock.now = offset + 3 * endedIdLifetime
      assert.isFalse(ids.take("a"))
    }
  })

  it("are not known after a long silence", () => {
    const { clock, ids } = setup()
    ids.add(["a"])
    clock.now = 2 * endedIdLifetime
    assert.isFalse(ids.take("a"))
    assert.isFalse(ids.take("b"))
  })

  it("are so many at most", () => {
    const { clock, ids } = setup()
    const all = Array.from({ length: 3 * maxEndedIds }, (_, i) => String(i))
    ids.add(all)
    clock.now = 1
    assert.strictEqual(all.filter((id) => ids.take(id)).length, maxEndedIds)
    clock.now = endedIdLifetime
    ids.add(["later"])
    assert.isTrue(ids.take("later"))
  })

  it("have late packets answered with the close frame, less and less often, whichever of the ids they are for", () => {
    const { clock, ids, sent } = setup()
    const frame = Uint8Array.of(0xcc)
    ids.add(["a", "b"], new SentClose(frame, at(7)))
    const answers = Array.from({ length: 8 }, (_, i) => {
      // The second half comes when the ids are among the old ones.
      clock.now = i < 4 ? 0 : endedIdLifetime
      assert.isTrue(ids.take(i % 2 === 0 ? "a" : "b"))
      return sent.splice(0)
    })
    assert.deepStrictEqual(
      answers.map((each) => each.length),
      [1, 1, 0, 1, 0, 0, 0, 1]
    )
    assert.deepStrictEqual(answers[0], [[frame, "127.0.0.1:7"]])
  })

  it("have late packets answered with nothing when this side has not closed", () => {
    const { ids, sent } = setup()
    ids.add(["a"])
    assert.isTrue(ids.take("a"))
    assert.deepStrictEqual(sent, [])
  })
})
