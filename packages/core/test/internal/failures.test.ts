import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import {
  ApplicationClosed,
  IdleTimedOut,
  LocallyClosed,
  StatelessReset,
  TransportClosed,
  type Close
} from "../../src/Close.ts"
import { ConnectionClosed, ConnectionReset, ConnectionTimedOut, TransportError } from "../../src/ConnectionError.ts"
import { connectionErrorOf, streamErrorOf } from "../../src/internal/failures.ts"
import { ConnectionLost, StreamLost } from "../../src/SendError.ts"
import { StreamClosed, StreamReset, StreamStopped } from "../../src/StreamError.ts"

const peer = NetAddress.inetAddressFromStringUnsafe("192.0.2.7:443")

describe("what a connection's close fails its users with", () => {
  const rows: ReadonlyArray<readonly [Close, object]> = [
    [new IdleTimedOut(), new ConnectionTimedOut({ peer })],
    [new StatelessReset(), new ConnectionReset({ peer })],
    [new TransportClosed({ code: 1, detail: "x" }), new TransportError({ peer, code: 1, detail: "x" })],
    [new LocallyClosed(), new ConnectionClosed({ peer, close: new LocallyClosed() })],
    [
      new ApplicationClosed({ code: 1, detail: "x" }),
      new ConnectionClosed({ peer, close: new ApplicationClosed({ code: 1, detail: "x" }) })
    ]
  ]

  it("is a different error for each close", () => {
    for (const [close, error] of rows) assert.deepStrictEqual(connectionErrorOf(peer, close), error)
  })

  it("is the loss of the connection, which the end of a stream is not", () => {
    const connectionError = (close: Close) => connectionErrorOf(peer, close)
    for (const [close, error] of rows) {
      assert.deepStrictEqual(
        streamErrorOf(close, { errorOf: connectionError }),
        new ConnectionLost({ reason: error as ConnectionReset })
      )
    }
    for (const error of [new StreamClosed(), new StreamStopped({ code: 3 }), new StreamReset({ code: 3 })]) {
      assert.deepStrictEqual(streamErrorOf(error, { errorOf: connectionError }), new StreamLost({ reason: error }))
    }
  })
})
