import { assert, describe, it } from "vitest"
import * as Command from "../src/Command.ts"

describe("a command of a runner's console", () => {
  it.each<[text: string, command: Command.Command]>([
    ["add apples 3 once", { _tag: "Add", counter: "apples", amount: 3, key: "once" }],
    ["  add apples  -2", { _tag: "Add", counter: "apples", amount: -2, key: undefined }],
    ["add apples", { _tag: "Add", counter: "apples", amount: 1, key: undefined }],
    ["read apples", { _tag: "Read", counter: "apples" }],
    ["parcel books 3000", { _tag: "Parcel", name: "books", wait: 3000 }],
    ["parcel books", { _tag: "Parcel", name: "books", wait: 1 }],
    ["shards", { _tag: "Shards" }],
    ["has ClusterCron/Beat", { _tag: "Has", singleton: "ClusterCron/Beat" }]
  ])("is read: %s", (text, command) => {
    assert.deepStrictEqual(Command.parse(text), command)
  })

  it.each(["", "help", "ADD apples 1", "add", "add apples x", "add apples 1.5", "add apples 1e400", "read", "has"])(
    "is unknown when it is none: %j",
    (text) => {
      assert.deepStrictEqual(Command.parse(text), { _tag: "Unknown" })
    }
  )

  it.each(["parcel", "parcel books soon", "parcel books -1"])("is unknown when a parcel cannot wait: %j", (text) => {
    assert.deepStrictEqual(Command.parse(text), { _tag: "Unknown" })
  })
})
