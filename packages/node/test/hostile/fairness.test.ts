import { describe, it } from "vitest"
import { attacked } from "./measure/attacked.ts"

describe("the honest peer is served, and newcomers are, beside", () => {
  it("a thousand connections that say nothing from each of ten addresses", () =>
    attacked("connections that say nothing", 10_000))
  it("connections that are dialled and closed without end", () => attacked("churn", 1_000))
  it("peers that vanish without a word", () => attacked("peers that vanish", 5_000))
  it("ports that never answer, to be verified", () => attacked("ports that never answer, to be verified"))
  it("echo questions without end", () => attacked("echo questions"))
  it("questions to the program without end", () => attacked("questions"))
  it("messages without end", () => attacked("messages"))
  it("streams without bytes", () => attacked("streams without bytes"))
  it("streams of garbage", () => attacked("streams of garbage"))
})
