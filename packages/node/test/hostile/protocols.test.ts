import { describe, it } from "vitest"
import { attacked } from "./measure/attacked.ts"

describe("the protocols of the honest peer are served, and memory comes back, under", () => {
  it("protocols that nothing serves, without end", () => attacked("protocols that nothing serves"))
  it("protocols that are opened and never completed", () => attacked("protocols that are not completed"))
  it("protocols that are opened and reset at once, without end", () => attacked("protocols that are reset at once"))
  it("protocols that are opened and reset in the same packet", () =>
    attacked("protocols that are reset in the same packet"))
  it("answers on streams of protocols that are never acknowledged", () =>
    attacked("answers of protocols that are not acknowledged"))
  it("answers on streams of protocols that are never read", () => attacked("answers of protocols that are not read"))
})
