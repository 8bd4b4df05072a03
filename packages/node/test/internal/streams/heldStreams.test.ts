import { assert, describe, it } from "@effect/vitest"
import { HeldWatch } from "../../../src/internal/streams/heldStreams.ts"

describe("streams that keep others from being opened", () => {
  const opener = { by: "Opener", count: 512 } as const

  it("are told of at the second look, once", () => {
    const watch = new HeldWatch()
    const looks = [1, 1, 1, 1].map((begun) => watch.look({ ...opener, begun }))
    assert.deepStrictEqual(looks, [undefined, opener, undefined, undefined])
  })

  it("are not told of while others are begun, or are held by somebody else", () => {
    const watch = new HeldWatch()
    for (let begun = 0; begun < 5; begun++) assert.isUndefined(watch.look({ ...opener, begun }))
    assert.isUndefined(watch.look({ by: "Answers", count: 1, begun: 4 }))
  })

  it("are told of again when it has been otherwise", () => {
    const watch = new HeldWatch()
    const looks = [1, 1, undefined, 1, 1, 2, 2].map((begun) =>
      watch.look(begun === undefined ? undefined : { ...opener, begun })
    )
    assert.deepStrictEqual(looks, [undefined, opener, undefined, undefined, opener, undefined, opener])
  })
})
