/**
 * Looks on at the transport of one endpoint: which connections there really are, and which have ended.
 */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type { ConnectionId } from "@qp2p/core/ConnectionId"
import type { BackingConnection, ConnectionEvents, DialEvents, Transport } from "@qp2p/core/Transport"
import type { Dial, End } from "./journal.ts"

export interface Spied {
  readonly transport: Transport["Service"]
  /** Names each connection differently, so that the model can tell them apart. */
  readonly nameOf: (peer: NetAddress.InetAddress) => ConnectionId
  readonly ends: ReadonlyArray<End>
  readonly dials: ReadonlyArray<Dial>
}

export const spied = (transport: Transport["Service"], owner: string, step: () => number): Spied => {
  const ends: Array<End> = []
  const dials: Array<Dial> = []
  let named: ConnectionId | undefined

  const watch = (
    backing: BackingConnection,
    dialled: boolean,
    begin: (connection: BackingConnection) => ConnectionEvents
  ): ConnectionEvents => {
    let begun = false
    let refused = false
    const events = begin({
      peerId: backing.peerId,
      get isAccepted() {
        return backing.isAccepted
      },
      get remoteAddress() {
        return backing.remoteAddress
      },
      openUni: (priority) => backing.openUni(priority),
      openBi: (priority, events) => backing.openBi(priority, events),
      close: (code, reason) => {
        // Closed before it has been taken: the application hears nothing of it.
        if (!begun) refused = true
        backing.close(code, reason)
      },
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
    begun = true
    const end: End = {
      id: named!,
      peer: NetAddress.formatInet(backing.remoteAddress),
      seniority: backing.seniority,
      dialled,
      openedAt: step(),
      refused,
      accepted: backing.isAccepted,
      closed: undefined,
      closedAt: Infinity
    }
    ends.push(end)
    return {
      onStream: (receive, send) => events.onStream(receive, send),
      onAccepted: () => {
        end.accepted = true
        events.onAccepted?.()
      },
      onMoved: () => events.onMoved?.(),
      onDatagram: (datagram) => events.onDatagram?.(datagram),
      onUnresponsive: () => events.onUnresponsive?.(),
      onStreamsHeld: (held) => events.onStreamsHeld?.(held),
      onClosed: (close) => {
        end.closed = close
        end.closedAt = step()
        events.onClosed(close)
      }
    }
  }

  return {
    transport: {
      bind: (options, events) =>
        Effect.map(
          transport.bind(options, {
            onHandshake: events.onHandshake && ((peer, decide) => events.onHandshake!(peer, decide)),
            onConnection: (backing) => watch(backing, false, (each) => events.onConnection(each))
          }),
          (socket) => ({
            address: socket.address,
            dial: (peer, outcome, expected) => {
              const name = NetAddress.formatInet(peer)
              const alongside = dials.filter((other) => other.peer === name && other.endedAt === Infinity).length
              const dial: Dial = { peer: name, startedAt: step(), endedAt: Infinity, alongside }
              dials.push(dial)
              const watched: DialEvents = {
                onConnected: (backing) => {
                  dial.endedAt = step()
                  return watch(backing, true, (each) => outcome.onConnected(each))
                },
                onFailed: (error) => {
                  dial.endedAt = step()
                  outcome.onFailed(error)
                }
              }
              const giveUp = socket.dial(peer, watched, expected)
              return () => {
                dial.endedAt = Math.min(dial.endedAt, step())
                giveUp()
              }
            }
          })
        )
    },
    nameOf: () => (named = `${owner}/${ends.length}` as ConnectionId),
    ends,
    dials
  }
}
