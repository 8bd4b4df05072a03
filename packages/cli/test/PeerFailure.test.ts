import { assert, describe, it } from "@effect/vitest"
import { ConnectionTimedOut, PeerMismatch, PeerNotFound, PeerRefused } from "@qp2p/core/ConnectionError"
import { IdentityError } from "@qp2p/core/Identity"
import { ConnectionLost } from "@qp2p/core/SendError"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import type { CommandFailed } from "../src/Failure.ts"
import * as PeerFailure from "../src/PeerFailure.ts"
import { alice } from "./support/fakeStream.ts"

const id = (name: string) => TestIdentity.make(name).peerId
const [ann, bob, self] = [id("ann"), id("bob"), id("self")]
const explain = PeerFailure.explain(self)
const shown = ({ detail, exitCode }: CommandFailed) => [detail, exitCode]

describe("PeerFailure", () => {
  it.each([
    [
      new PeerMismatch({ expected: ann, actual: bob, address: alice }),
      `another peer answers at 127.0.0.1:5001: ${bob}, not ${ann}. Nothing was sent to it. A peer without --identity has a ` +
        "new id at each start"
    ],
    [
      new PeerRefused({ peerId: ann, address: alice, by: "Remote" }),
      `${ann}@127.0.0.1:5001 refuses this peer, ${self}: it may have an --allow list without that id. Without --identity, ` +
        "this peer has a new id each time"
    ],
    [new PeerRefused({ peerId: ann, address: alice, by: "Local" }), `${ann}@127.0.0.1:5001 is not in --allow`],
    [new PeerNotFound({ peerId: ann }), `no address of the peer ${ann} is known: give it as ID@host:port`],
    [new ConnectionTimedOut({ peer: alice }), "127.0.0.1:5001 did not answer"]
  ])("says whole ids and what to do, also when a connection was lost for that reason: %s", (error, detail) => {
    for (const each of [error, new ConnectionLost({ reason: error })]) {
      assert.deepStrictEqual(shown(explain(each)), [detail, 1])
    }
    assert.strictEqual(
      PeerFailure.peerErrorOf(error)?._tag,
      error._tag === "ConnectionTimedOut" ? undefined : error._tag
    )
  })

  it("leaves other errors their exit codes", () => {
    const error = new IdentityError({ detail: "the key file a.key is no regular file" })
    assert.deepStrictEqual(shown(explain(error)), [error.detail, 2])
  })
})
