import { assert, describe, it } from "@effect/vitest"
import { ApplicationClosed, IdleTimedOut, StatelessReset, TransportClosed, type Close } from "@qp2p/core/Close"
import { foundClose } from "../../../src/internal/connection/closeReason.ts"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"

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

  it("is what the peer said, if it said anything", () => {
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

  it("is silence, or the error that this side found", () => {
    assert.deepStrictEqual(found({ timedOut: true }), new IdleTimedOut())
    assert.deepStrictEqual(
      found({ localError: bindingError(false, 10, "protocol violation") }),
      new TransportClosed({ code: 10, detail: "protocol violation" })
    )
  })

  it("is nothing after a stateless reset", () => {
    assert.deepStrictEqual(found({}), new StatelessReset())
  })
})
