import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import {
  ApplicationClosed,
  IdleTimedOut,
  LocallyClosed,
  StatelessReset,
  TransportClosed,
  type Close
} from "@qp2p/core/Close"
import {
  ConnectionClosed,
  ConnectionReset,
  ConnectionTimedOut,
  DatagramRefused,
  InvalidAddress,
  TooManyConnections,
  TransportError,
  VersionMismatch
} from "@qp2p/core/ConnectionError"
import { connectionErrorOf, lossOf } from "../../../../core/src/internal/failures.ts"
import type { Connection } from "../../../src/internal/connection/connection.ts"
import { dialError, refuseDial } from "../../../src/internal/socket/dialErrors.ts"
import { foundClose } from "../../../src/internal/connection/closeReason.ts"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { ConnectionLost, StreamLost } from "@qp2p/core/SendError"
import { StreamClosed, StreamReset, StreamStopped } from "@qp2p/core/StreamError"

const address = NetAddress.inetAddressFromStringUnsafe
const peer = address("192.0.2.7:443")

interface BindingError {
  readonly isApp: boolean
  readonly errorCode: number
  readonly reason: Uint8Array
}

const bindingError = (isApp: boolean, errorCode: number, text: string): BindingError => ({
  isApp,
  errorCode,
  reason: new TextEncoder().encode(text)
})

describe("what the binding says of a connection that is over", () => {
  const found = (says: {
    readonly peerError?: BindingError
    readonly localError?: BindingError
    readonly timedOut?: boolean
  }): Close =>
    foundClose({
      peerError: () => says.peerError ?? null,
      localError: () => says.localError ?? null,
      isTimedOut: () => says.timedOut ?? false
    } as unknown as NativeConnection)

  it("is what the peer said, before anything else", () => {
    const localError = bindingError(false, 10, "mine")
    const rows: ReadonlyArray<readonly [BindingError, Close]> = [
      [bindingError(true, 7, "bye"), new ApplicationClosed({ code: 7, detail: "bye" })],
      // What an application's close during the handshake becomes on the way.
      [bindingError(false, 12, "bye"), new ApplicationClosed({ code: 0, detail: "bye" })],
      [bindingError(true, 12, ""), new ApplicationClosed({ code: 12, detail: "" })],
      [bindingError(false, 2, "full"), new TransportClosed({ code: 2, detail: "full" })],
      [bindingError(true, 2 ** 62, ""), new ApplicationClosed({ code: Number.MAX_SAFE_INTEGER, detail: "" })]
    ]
    for (const [peerError, close] of rows) {
      assert.deepStrictEqual(found({ peerError, localError, timedOut: true }), close)
    }
  })

  it("is silence, or what this side found wrong", () => {
    assert.deepStrictEqual(found({ timedOut: true }), new IdleTimedOut())
    assert.deepStrictEqual(
      found({ localError: bindingError(false, 10, "protocol violation") }),
      new TransportClosed({ code: 10, detail: "protocol violation" })
    )
  })

  it("is nothing at all after a stateless reset", () => {
    assert.deepStrictEqual(found({}), new StatelessReset())
  })
})

describe("what a close is to whoever used the connection", () => {
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

  it("is an error that tells the one from the other", () => {
    for (const [close, error] of rows) assert.deepStrictEqual(connectionErrorOf(peer, close), error)
  })

  it("is the loss of the connection, and the end of a stream is not", () => {
    const connectionError = (close: Close) => connectionErrorOf(peer, close)
    for (const [close, error] of rows) {
      assert.deepStrictEqual(lossOf(close, connectionError), new ConnectionLost({ reason: error as ConnectionReset }))
    }
    for (const error of [new StreamClosed(), new StreamStopped({ code: 3 }), new StreamReset({ code: 3 })]) {
      assert.deepStrictEqual(lossOf(error, connectionError), new StreamLost({ reason: error }))
    }
  })

  it("is, to whoever dialled, why there is no connection", () => {
    interface Of {
      readonly timedOut?: boolean
      readonly otherVersion?: boolean
      readonly refusal?: string
      readonly heard?: number
    }
    const dialled = (close: Close, of: Of = {}) =>
      dialError(
        address("127.0.0.1:1"),
        peer,
        {
          handshakeTimedOut: of.timedOut ?? false,
          versionMismatch: of.otherVersion ?? false,
          refusal: of.refusal,
          heard: () => of.heard ?? 0
        } as Connection,
        close
      )
    for (const [close, error] of rows) assert.deepStrictEqual(dialled(close), error)
    // The TLS alert no_application_protocol (RFC 7301, section 3.2).
    assert.deepStrictEqual(dialled(new TransportClosed({ code: 0x178, detail: "" })), new VersionMismatch({ peer }))
    assert.deepStrictEqual(dialled(new LocallyClosed(), { otherVersion: true }), new VersionMismatch({ peer }))
    assert.deepStrictEqual(dialled(new LocallyClosed(), { timedOut: true }), new ConnectionTimedOut({ peer }))
    // What the system did not send explains it, unless the peer has been heard of all the same.
    const refusal = "EHOSTUNREACH"
    assert.deepStrictEqual(
      dialled(new LocallyClosed(), { timedOut: true, refusal }),
      new DatagramRefused({ peer, systemCode: refusal, detail: "there is no route to the host" })
    )
    assert.deepStrictEqual(
      dialled(new LocallyClosed(), { timedOut: true, refusal, heard: 1 }),
      new ConnectionTimedOut({ peer })
    )
    assert.deepStrictEqual(dialled(new LocallyClosed(), { otherVersion: true, refusal }), new VersionMismatch({ peer }))
  })
})

describe("a dial that is not tried", () => {
  const refused = (to: string, live = 0) => refuseDial(address(to), address("127.0.0.1:1"), live, 3)

  it("is one to an address that nobody can have from here", () => {
    for (const to of [
      "192.0.2.7:0",
      "[2001:db8::1]:443",
      "0.0.0.0:443",
      "224.0.0.1:443",
      "239.255.255.255:443",
      "255.255.255.255:443"
    ]) {
      assert.instanceOf(refused(to), InvalidAddress, to)
    }
    for (const to of ["192.0.2.7:443", "223.255.255.255:443", "240.0.0.1:443"]) assert.isUndefined(refused(to), to)
  })

  it("is one too many", () => {
    assert.isUndefined(refused("192.0.2.7:443", 2))
    assert.deepStrictEqual(refused("192.0.2.7:443", 3), new TooManyConnections({ limit: 3 }))
  })
})
