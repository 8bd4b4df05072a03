/**
 * Programs at random over two to eight endpoints in memory, checked against a model: see `model/check.ts`.
 */
import { describe, expect, it } from "@effect/vitest"
import { checkInMemory, journalsInMemory } from "./model/check.ts"

describe("any actions and faults of endpoints in memory", () => {
  it("they keep their promises", () => checkInMemory(200), 60_000)

  it("they keep their promises, thousands of times [slow]", () => checkInMemory(3_000), 240_000)

  it("the same program has the same outcome", async () => {
    const journals = await journalsInMemory(30)
    expect(await journalsInMemory(30)).toStrictEqual(journals)
    // They have come to something.
    expect(journals.join("\n").length).toBeGreaterThan(10_000)
  }, 60_000)
})
