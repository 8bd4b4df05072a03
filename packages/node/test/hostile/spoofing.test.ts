import { describe, it } from "vitest"
import { attacked, noSpoofing } from "./measure/attacked.ts"

const obstacle = noSpoofing()
// @effect-diagnostics-next-line globalConsole:off -- a line for who runs the tests, before any Effect runs
if (obstacle !== undefined) console.log(`attacks with forged source addresses are skipped: ${obstacle}`)

it("sends a neighbour of a peer no more than three times what the peer has sent", () =>
  attacked("a neighbour to be verified"))

describe.skipIf(obstacle !== undefined)("a forged source address", () => {
  it("sends no stream to a victim by invented acknowledgements", () =>
    attacked("a stream for a victim by invented acknowledgements"))
  it("sends nothing to a victim that its peer may claim to be, beside what is acknowledged elsewhere", () =>
    attacked("a stream for oneself, and a claim to be elsewhere"))
  it("sends no stream to a victim by guesses which packets have left for it", () =>
    attacked("guessed acknowledgements for a victim"))
  it("lets no peer speak in another's name", () => attacked("a peer at another's address"))
  it("lets no peer speak in another's name with the id that counts as the oldest", () =>
    attacked("a peer at another's address, with the oldest id"))
  it("sends no peer what is for another", () => attacked("to and fro between another's address and the own"))
  it("has no stranger dialled", () => attacked("a stranger to be verified"))
  it("sends a victim no more than three times what it costs", () => attacked("first flights in a victim's name"))
})
