/**
 * Programs at random over two to eight endpoints on the real driver and a bad network: see `model/check.ts`.
 */
import { describe, it } from "@effect/vitest"
import { checkOnTheDriver } from "./model/check.ts"

describe("any actions and faults of endpoints on a bad network", () => {
  it("they keep their promises [slow]", () => checkOnTheDriver(200, 16), 300_000)
})
