/** Attacks on an RPC server in a process of its own, beside an honest peer that calls it. */
import { describe, it } from "vitest"
import { attacked as attackedWith } from "../../../node/test/hostile/measure/attacked.ts"

const attacked = (name: string) => attackedWith(name, 100, new URL("./", import.meta.url))

describe("the calls of the honest peer are answered, and memory comes back, under", () => {
  it("no attack", () => attacked("nothing"))
  it("calls whose answers nobody reads, on streams of their own and to be fetched", () =>
    attacked("answers of calls that are not read"))
  it("calls whose short answers nobody reads, on shared streams", () =>
    attacked("short answers on shared streams that are not read"))
  it("requests that are never finished", () => attacked("requests that are not finished"))
  it("streams of parts that are never acknowledged", () => attacked("parts of answers that are not acknowledged"))
  it("streams of parts that are never read", () => attacked("parts of answers that are not read"))
  it("frames of rubbish on shared streams", () => attacked("rubbish on shared streams"))
})
