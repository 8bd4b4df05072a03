import { describe, it } from "vitest"
import { attacked } from "./measure/attacked.ts"

describe("memory stays within its bound, and comes back, under", () => {
  it("STREAM frames of a byte, out of order", () => attacked("stream fragments"))
  it("STREAM frames of a byte, out of order, of six peers", () => attacked("stream fragments, six peers"))
  it("CRYPTO frames of a byte after the handshake", () => attacked("CRYPTO fragments"))
  it("fragments that user data earns an allowance for", () => attacked("fragments with user data"))
  it("110 MiB of unfinished messages from each of 16 peers", () => attacked("partial messages of 16 peers"))
  it("a thousand streams of a byte a second", () => attacked("streams that trickle"))
  it("answers that are never read", () => attacked("answers that are not read"))
  it("8,000 Initial packets a second that cannot be decrypted", () =>
    attacked("Initial packets that cannot be decrypted"))
  it("handshakes that do not go on", () => attacked("handshakes that do not go on", 1_000))
  it("handshakes whose ClientHello comes in fragments", () => attacked("handshakes in fragments"))
})
