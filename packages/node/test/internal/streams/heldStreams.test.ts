import { assert, describe, it } from "@effect/vitest"
import { HeldStreamsWatch } from "../../../src/internal/streams/heldStreams.ts"

describe("streams that keep others from being opened", () => {
  const opener = { kind: "UnfinishedSends", count: 512 } as const

  it("are reported at the second check, once", () => {
    const watch = new HeldStreamsWatch()
    const checks = [1, 1, 1, 1].map((opened) => watch.check({ ...opener, opened }))
    assert.deepStrictEqual(checks, [undefined, opener, undefined, undefined])
  })

  it("are not reported while others are opened, or when the cause has changed", () => {
    const watch = new HeldStreamsWatch()
    for (let opened = 0; opened < 5; opened++) assert.isUndefined(watch.check({ ...opener, opened }))
    assert.isUndefined(watch.check({ kind: "UnreadAnswers", count: 1, opened: 4 }))
  })

  it("are reported again after a change", () => {
    const watch = new HeldStreamsWatch()
    const checks = [1, 1, undefined, 1, 1, 2, 2].map((opened) =>
      watch.check(opened === undefined ? undefined : { ...opener, opened })
    )
    assert.deepStrictEqual(checks, [undefined, opener, undefined, undefined, opener, undefined, opener])
  })
})
