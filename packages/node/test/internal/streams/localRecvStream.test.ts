import { assert, describe, it } from "@effect/vitest"
import type { Incoming } from "../../../src/internal/streams/incoming.ts"
import { LocalRecvStream } from "../../../src/internal/streams/localRecvStream.ts"
import type { SendStream } from "../../../src/internal/streams/sendStream.ts"
import { StreamClosed } from "@qp2p/core/StreamError"
import { Received } from "../../support/quicSockets.ts"
import { setup } from "./receivingSide.ts"

describe("the receiving half of a stream that this side opens", () => {
  const listen = (incoming: Incoming, half: SendStream, received: Received) =>
    new LocalRecvStream(incoming, half, received)

  it("is not read before a lone fin has arrived", () => {
    const { arrived, incoming, send } = setup()
    const received = new Received()
    const half = send()
    half.assignId(0, 0, false)
    listen(incoming, half, received)
    half.finWritten = true
    half.notifyOpened()
    arrived.set(0, { bytes: 5, fin: true })
    assert.strictEqual(incoming.read(false), 0)
    half.complete()
    assert.strictEqual(incoming.read(false), 5)
    assert.deepStrictEqual(received.ends, [undefined])
  })

  it("is read at once when the fin went with bytes", () => {
    const { arrived, incoming, send } = setup()
    const received = new Received()
    const half = send()
    half.assignId(0, 0, false)
    listen(incoming, half, received)
    half.finWritten = true
    half.written = 3
    half.notifyOpened()
    arrived.set(0, { bytes: 5, fin: true })
    assert.strictEqual(incoming.read(false), 5)
  })

  it("can be stopped before the stream has an id: the peer is told as soon as it has one", () => {
    const { incoming, send, shutDown } = setup()
    const half = send()
    const receive = listen(incoming, half, new Received())
    receive.resume()
    receive.stop(6)
    half.assignId(4, 0, false)
    assert.deepStrictEqual(shutDown, [])
    half.notifyOpened()
    assert.deepStrictEqual(shutDown, [[4, 6]])
  })

  it("fails with the stream when it never gets an id", () => {
    const { incoming, send } = setup()
    const received = new Received()
    const half = send()
    listen(incoming, half, received)
    half.end(new StreamClosed())
    assert.deepStrictEqual(received.ends, [new StreamClosed()])
  })
})
