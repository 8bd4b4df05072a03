import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import { endpointLimits, limitsOf } from "../../../src/internal/endpoint/protocolLimits.ts"
import { StreamCount } from "../../../src/internal/endpoint/streamCount.ts"

/** How many streams of the owners, one after the other, find room. */
const admitted = (count: StreamCount, owners: Iterable<{ readonly peer: string; readonly ip: string }>) => {
  let admitted = 0
  for (const owner of owners) {
    if (!count.hasRoom(owner)) continue
    count.add(owner)
    admitted += 1
  }
  return admitted
}

const many = (of: (i: number) => { readonly peer: string; readonly ip: string }) =>
  Array.from({ length: 10_000 }, (_, i) => of(i))

describe("the streams of an endpoint", () => {
  it("are 4,096 at once, 1,024 of one peer and 2,048 of one IP address", () => {
    const one = many(() => ({ peer: "a", ip: "1" }))
    const oneIp = many((i) => ({ peer: `${i}`, ip: "1" }))
    const all = many((i) => ({ peer: `${i}`, ip: `${i}` }))
    assert.deepStrictEqual(
      [one, oneIp, all].map((owners) => admitted(new StreamCount(endpointLimits), owners)),
      [1_024, 2_048, 4_096]
    )
  })

  it("of one protocol are 2,048 by default, 512 of one peer and 1,024 of one IP address", () => {
    assert.deepStrictEqual(limitsOf(), { all: 2_048, perPeer: 512, perIp: 1_024 })
    assert.deepStrictEqual(limitsOf(5), { all: 5, perPeer: 512, perIp: 512 })
    assert.deepStrictEqual(limitsOf(undefined, 2), { all: 2_048, perPeer: 2, perIp: 1_024 })
  })

  it("give their places back, whichever ends first", () => {
    const owner = FastCheck.record({
      peer: FastCheck.constantFrom("a", "b", "c"),
      ip: FastCheck.constantFrom("1", "2")
    })
    const run = FastCheck.array(FastCheck.tuple(owner, FastCheck.nat()), { maxLength: 60 })
    FastCheck.assert(
      FastCheck.property(run, (steps) => {
        const limits = { all: 8, perPeer: 3, perIp: 5 }
        const count = new StreamCount(limits)
        const open: Array<{ readonly peer: string; readonly ip: string }> = []
        for (const [each, choice] of steps) {
          const ofPeer = open.filter(({ peer }) => peer === each.peer).length
          const ofIp = open.filter(({ ip }) => ip === each.ip).length
          assert.strictEqual(count.hasRoom(each), open.length < 8 && ofPeer < 3 && ofIp < 5)
          if (count.hasRoom(each) && choice % 3 > 0) {
            count.add(each)
            open.push(each)
          } else if (open.length > 0) {
            const [ended] = open.splice(choice % open.length, 1)
            count.delete(ended!)
          }
        }
      })
    )
  })
})
