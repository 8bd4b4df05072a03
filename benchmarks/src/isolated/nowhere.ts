/** A transport that leads nowhere: what it is given has arrived at once. All that is left is what the library does itself. */
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  RecvEvents
} from "@qp2p/core/Transport"
import { Transport } from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const nothing = () => {}

const stream = (): BackingSendStream => ({
  write: (_bytes, _fin, done) => done(),
  writeWhole: (content, done) => {
    content(Infinity)
    done()
  },
  onStopped: nothing,
  setPriority: nothing,
  reset: nothing
})

const receiving: BackingRecvStream = { resume: nothing, stop: nothing }

const silence: RecvEvents = { onData: () => true, onEnd: nothing }

/** The transport, and the peer of the last dial: it opens streams to whoever dialled. */
export class Nowhere {
  private events: ConnectionEvents | undefined = undefined

  readonly layer = Layer.succeed(Transport, {
    bind: ({ identity, localAddress }) =>
      Effect.succeed({
        address: localAddress,
        dial: (remoteAddress, events) => {
          const connection: BackingConnection = {
            // There is nobody else.
            peerId: identity.peerId,
            isAccepted: true,
            remoteAddress,
            openUni: stream,
            openBi: () => ({ send: stream(), receive: receiving }),
            close: nothing,
            stats: () => ({
              roundTripTime: Duration.zero,
              packetsSent: 0,
              packetsReceived: 0,
              packetsLost: 0,
              packetsRefused: 0,
              bytesSent: 0,
              bytesReceived: 0,
              congestionWindow: 0
            })
          }
          this.events = events.onConnected(connection)
          return nothing
        }
      })
  })

  /** A stream of the peer with `bytes`, from its first to its last. */
  deliver(bytes: Uint8Array): void {
    const reader = this.events?.onStream(receiving, undefined) ?? silence
    reader.onData(bytes)
    reader.onEnd()
  }
}
