/**
 * A transport that puts what is written one after the other into one chunk, as a real one may: the receiver then gets
 * several messages at once, or parts of them.
 */
import * as Effect from "effect/Effect"
import type { BackingConnection, BackingSendStream, ConnectionEvents, Transport } from "@qp2p/core/Transport"

/** Bytes of a write that waits for the next one. */
const most = 512

/** `later` calls back in a turn of its own. */
export const coalescing = (
  transport: Transport["Service"],
  later: (flush: () => void) => void
): Transport["Service"] => {
  const sender = (stream: BackingSendStream): BackingSendStream => {
    let waiting: Array<Uint8Array> = []
    const flush = () => {
      if (waiting.length === 0) return
      stream.write(new Uint8Array(Buffer.concat(waiting)), false, () => {})
      waiting = []
    }
    return {
      write: (bytes, fin, done) => {
        if (fin) {
          const all = new Uint8Array(Buffer.concat([...waiting, bytes]))
          waiting = []
          return stream.write(all, true, done)
        }
        if (bytes.length > most) {
          flush()
          return stream.write(bytes, false, done)
        }
        if (waiting.length === 0) later(flush)
        waiting.push(bytes.slice())
        done()
      },
      onStopped: (stopped) => stream.onStopped(stopped),
      setPriority: (priority) => stream.setPriority(priority),
      reset: (code) => {
        waiting = []
        stream.reset(code)
      }
    }
  }

  const connection = (backing: BackingConnection): BackingConnection => ({
    peerId: backing.peerId,
    get isAccepted() {
      return backing.isAccepted
    },
    get remoteAddress() {
      return backing.remoteAddress
    },
    openUni: (priority) => sender(backing.openUni(priority)),
    openBi: (priority, events) => {
      const { receive, send } = backing.openBi(priority, events)
      return { receive, send: sender(send) }
    },
    close: (code, reason) => backing.close(code, reason),
    stats: () => backing.stats(),
    get maxDatagramSize() {
      return backing.maxDatagramSize
    },
    sendDatagram: backing.sendDatagram && ((datagram) => backing.sendDatagram!(datagram)),
    seniority: backing.seniority,
    checkAlive: backing.checkAlive && (() => backing.checkAlive!()),
    get isUnresponsive() {
      return backing.isUnresponsive
    },
    timeOut: backing.timeOut && (() => backing.timeOut!())
  })

  const events = (inner: ConnectionEvents): ConnectionEvents => ({
    onStream: (receive, send) => inner.onStream(receive, send && sender(send)),
    onAccepted: () => inner.onAccepted?.(),
    onDatagram: (datagram) => inner.onDatagram?.(datagram),
    onMoved: () => inner.onMoved?.(),
    onUnresponsive: () => inner.onUnresponsive?.(),
    onStreamsHeld: (held) => inner.onStreamsHeld?.(held),
    onClosed: (close) => inner.onClosed(close)
  })

  return {
    bind: (options, { onConnection, onHandshake }) =>
      Effect.map(
        transport.bind(options, { onHandshake, onConnection: (backing) => events(onConnection(connection(backing))) }),
        ({ address, dial }) => ({
          address,
          dial: (peer, { onConnected, onFailed }, expected) =>
            dial(peer, { onConnected: (backing) => events(onConnected(connection(backing))), onFailed }, expected)
        })
      )
  }
}
