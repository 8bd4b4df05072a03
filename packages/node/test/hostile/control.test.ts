import { assert, it } from "vitest"
import { attacked } from "./measure/attacked.ts"

it("without an attack, the node and the honest peer go on as before", async () => {
  await attacked("nothing")
})

it("a forged message arrives as an honest peer's would", async () => {
  const { claims } = await attacked("forged messages")
  assert.deepStrictEqual(claims.map(([, who]) => who).toSorted(), [["forger"], ["honest"]])
})
