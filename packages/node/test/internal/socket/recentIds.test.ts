import { assert, describe, it } from "@effect/vitest"
import { RecentIds } from "../../../src/internal/socket/recentIds.ts"
import { maxRecentIds, recentIdLifetime } from "../../../src/internal/tunables/connectionIds.ts"

describe("the ids of connections that were forgotten a moment ago", () => {
  it("are known for some time, and then no longer, at whatever time they were added", () => {
    for (let offset = 0; offset < recentIdLifetime; offset += 100) {
      const ids = new RecentIds()
      ids.add(["first"], 0)
      ids.add(["a", "b"], offset)
      for (let now = offset; now <= offset + recentIdLifetime - 1; now += 100) assert.isTrue(ids.has("b", now))
      assert.isTrue(ids.has("a", offset + recentIdLifetime - 1))
      assert.isFalse(ids.has("a", offset + 3 * recentIdLifetime))
    }
  })

  it("are not known after a long silence", () => {
    const ids = new RecentIds()
    ids.add(["a"], 0)
    assert.isFalse(ids.has("a", 2 * recentIdLifetime))
    assert.isFalse(ids.has("b", 2 * recentIdLifetime))
  })

  it("are so many at most", () => {
    const ids = new RecentIds()
    const all = Array.from({ length: 3 * maxRecentIds }, (_, i) => String(i))
    ids.add(all, 0)
    assert.strictEqual(all.filter((id) => ids.has(id, 1)).length, maxRecentIds)
    ids.add(["later"], recentIdLifetime)
    assert.isTrue(ids.has("later", recentIdLifetime))
  })
})
