import { assert, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import { ApplicationClosed, TransportClosed } from "../src/Close.ts"
import { InvalidAddress, NoneReachable, TransportError } from "../src/ConnectionError.ts"
import { NotConnected } from "../src/SendError.ts"

const peer = NetAddress.inetAddressFromStringUnsafe("192.0.2.7:443")

it("the message of a close has its detail behind a colon, and no colon without one", () => {
  const rows: ReadonlyArray<readonly [Error, string]> = [
    [new TransportError({ peer, code: 10, detail: "x" }), "transport error 0xa with 192.0.2.7:443: x"],
    [new TransportError({ peer, code: 10, detail: "" }), "transport error 0xa with 192.0.2.7:443"],
    [new ApplicationClosed({ code: 7, detail: "bye" }), "closed by the peer with code 7: bye"],
    [new ApplicationClosed({ code: 7, detail: "" }), "closed by the peer with code 7"],
    [new TransportClosed({ code: 10, detail: "x" }), "transport error 0xa: x"],
    [new TransportClosed({ code: 10, detail: "" }), "transport error 0xa"]
  ]
  for (const [{ message }, expected] of rows) assert.strictEqual(message, expected)
})

it("the message of an error that is about peers names them", () => {
  assert.strictEqual(new NotConnected({ peer }).message, "not connected with 192.0.2.7:443")
  assert.strictEqual(new NoneReachable({ attempts: [] }).message, "no peer was given")
  const error = new InvalidAddress({ input: "nowhere", detail: "no address" })
  assert.include(new NoneReachable({ attempts: [{ peer: "nowhere", error }] }).message, "nowhere")
})
