import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { LargestFirst } from "../../../src/internal/socket/largestFirst.ts"

it.prop(
  "the first is the oldest member of a largest group, whatever was added and removed",
  {
    steps: Schema.Array(Schema.Struct({ group: Schema.Literals([0, 1, 2]), remove: Schema.Literals([0, 0, 0, 1, 2]) }))
  },
  ({ steps }) => {
    const set = new LargestFirst<number>()
    const model = new Map<string, Array<number>>()
    for (const [number, { group, remove }] of steps.entries()) {
      const name = `${group}`
      const members = model.get(name) ?? []
      model.set(name, members)
      if (remove > 0) {
        const member = members.splice(remove === 1 ? 0 : members.length - 1, 1)[0]
        assert.strictEqual(set.delete(name, member ?? -1), member !== undefined)
      } else {
        members.push(number)
        set.add(name, number)
      }
      const most = Math.max(...[...model.values()].map(({ length }) => length))
      const largest = [...model.values()].filter(({ length }) => length === most && most > 0)
      if (largest.length === 0) assert.isUndefined(set.first)
      else
        assert.include(
          largest.map(([oldest]) => oldest!),
          set.first
        )
    }
  }
)
