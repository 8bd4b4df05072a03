import { assert, describe, it } from "@effect/vitest"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Effect from "effect/Effect"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Dns from "effect/net/Dns"
import * as Result from "effect/Result"
import * as PeerFlags from "../src/PeerFlags.ts"

const ann = TestIdentity.make("ann").peerId
const peer = (text: string) => Result.getOrThrow(PeerFlags.parsePeer(text))

describe("PeerFlags", () => {
  it.each(["127.0.0.1:0", "0.0.0.0:1", "[::]:1", "224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1", ""])(
    "refuses %j for a peer, with an id, too",
    (input) => {
      assert.isTrue(Result.isFailure(PeerFlags.parsePeer(input)))
      assert.isTrue(Result.isFailure(PeerFlags.parsePeer(`${ann}@${input}`)))
      assert.isTrue(Result.isFailure(PeerFlags.parsePeer(`${ann}@127.0.0.1:1,${input}`)))
    }
  )

  it.each([
    "127.0.0.1:1",
    "[::1]:1",
    "peer.example:4433",
    ann,
    `${ann}@127.0.0.1:1`,
    `${ann}@127.0.0.1:1,[::1]:2,peer.example:3`
  ])("takes %s for a peer", (input) => {
    assert.strictEqual(`${peer(` ${input}\n`)}`, input)
  })

  it.effect("dials from a socket of the family of the first address, or of a name", () =>
    Effect.gen(function* () {
      const dns = Result.getOrThrow(
        Dns.makeStatic({ hosts: { both: ["2001:db8::1", "192.0.2.1"], six: ["2001:db8::1"], four: ["192.0.2.1"] } })
      )
      const from = (...texts: ReadonlyArray<string>) =>
        Effect.map(
          Effect.provideService(
            PeerFlags.anyAddressFor(texts.map(peer)),
            AddressResolver.AddressResolver,
            AddressResolver.make(dns)
          ),
          String
        )
      const expected: Record<string, string> = {
        "127.0.0.1:1": "0.0.0.0:0",
        "[::1]:1": "[::]:0",
        [`${ann}@[::1]:1,127.0.0.1:1`]: "[::]:0",
        [ann]: "0.0.0.0:0",
        "both:1": "0.0.0.0:0",
        "six:1": "[::]:0",
        "four:1": "0.0.0.0:0",
        "unknown:1": "0.0.0.0:0"
      }
      for (const [text, address] of Object.entries(expected)) assert.strictEqual(yield* from(text), address, text)
      assert.strictEqual(yield* from(), "0.0.0.0:0")
      assert.strictEqual(yield* from(ann, "[::1]:1"), "[::]:0")
    })
  )
})
