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
  PeerMismatch,
  PeerRefused,
  TransportError,
  VersionMismatch
} from "@qp2p/core/ConnectionError"
import { fromPublicKey, type PeerId } from "@qp2p/core/PeerId"
import { publicKeyOf } from "../../support/certificates.ts"
import { dialError, refuseDial } from "../../../src/internal/socket/dialErrors.ts"

const address = NetAddress.inetAddressFromStringUnsafe
const peer = address("192.0.2.7:443")

describe("the error of a dial that failed", () => {
  it("says why there is no connection", () => {
    interface Of {
      readonly timedOut?: boolean
      readonly otherVersion?: boolean
      readonly refusal?: string
      readonly heard?: boolean
      readonly expected?: PeerId
      readonly refusedPeer?: PeerId
    }
    const dialled = (close: Close, of: Of = {}) =>
      dialError(
        address("192.0.2.8:1"),
        peer,
        of.expected,
        {
          timedOut: of.timedOut ?? false,
          versionMismatch: of.otherVersion ?? false,
          refusal: of.refusal,
          refusedPeer: of.refusedPeer
        },
        of.heard ?? false,
        close
      )
    const closes: ReadonlyArray<Close> = [
      new IdleTimedOut(),
      new StatelessReset(),
      new TransportClosed({ code: 1, detail: "x" }),
      new LocallyClosed(),
      new ApplicationClosed({ code: 1, detail: "x" })
    ]
    const errors = [
      new ConnectionTimedOut({ peer }),
      new ConnectionReset({ peer }),
      new TransportError({ peer, code: 1, detail: "x" }),
      new ConnectionClosed({ peer, close: new LocallyClosed() }),
      new ConnectionClosed({ peer, close: new ApplicationClosed({ code: 1, detail: "x" }) })
    ]
    assert.deepStrictEqual(
      closes.map((close) => dialled(close)),
      errors
    )
    // The TLS alert no_application_protocol (RFC 7301, section 3.2).
    assert.deepStrictEqual(dialled(new TransportClosed({ code: 0x178, detail: "" })), new VersionMismatch({ peer }))
    assert.deepStrictEqual(dialled(new LocallyClosed(), { otherVersion: true }), new VersionMismatch({ peer }))
    assert.deepStrictEqual(dialled(new LocallyClosed(), { timedOut: true }), new ConnectionTimedOut({ peer }))
    // What the system did not send explains it, unless the peer has been heard of all the same.
    const refusal = "EHOSTDOWN"
    assert.deepStrictEqual(
      dialled(new LocallyClosed(), { timedOut: true, refusal }),
      new DatagramRefused({ peer, systemCode: refusal, detail: "the host is down" })
    )
    assert.deepStrictEqual(
      dialled(new LocallyClosed(), { timedOut: true, refusal, heard: true }),
      new ConnectionTimedOut({ peer })
    )
    assert.deepStrictEqual(dialled(new LocallyClosed(), { otherVersion: true, refusal }), new VersionMismatch({ peer }))
    // This side refused another peer than the expected one, or a peer that its policy refuses.
    const [expected, actual] = [fromPublicKey(publicKeyOf(1)), fromPublicKey(publicKeyOf(2))]
    assert.deepStrictEqual(
      dialled(new LocallyClosed(), { expected, refusedPeer: actual, timedOut: true }),
      new PeerMismatch({ expected, actual, address: peer })
    )
    for (const of of [{ refusedPeer: actual }, { refusedPeer: actual, expected: actual }]) {
      assert.deepStrictEqual(
        dialled(new LocallyClosed(), of),
        new PeerRefused({ peerId: actual, address: peer, by: "Local" })
      )
    }
  })
})

describe("a dial that is refused before it begins", () => {
  const refused = (to: string) => refuseDial(address(to), address("127.0.0.1:1"))

  it("goes to an address that no peer can have", () => {
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
})
