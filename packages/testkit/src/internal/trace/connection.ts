/** Connections that record the calls and the events of the connections they wrap. */
import type { BackingConnection, ConnectionEvents } from "@qp2p/core/Transport"
import { End, type Local } from "./end.ts"
import { recvStream, sendStream } from "./streams.ts"

const quoted = (reason: string) => (reason === "" ? "" : `: ${reason}`)

const bothWays = (yes: boolean) => (yes ? ", both ways" : "")

const connectionOf = (connection: BackingConnection, end: End): BackingConnection => {
  const open = (both: boolean, priority: number) => {
    end.opened += 1
    const name = `out${end.opened}`
    end.says(`${name} opened${bothWays(both)}${priority === 0 ? "" : `, priority ${priority}`}`)
    return name
  }
  const { seniority } = connection
  return {
    get peerId() {
      return connection.peerId
    },
    get isAccepted() {
      return connection.isAccepted
    },
    get remoteAddress() {
      return connection.remoteAddress
    },
    get preferredBatchBytes() {
      return connection.preferredBatchBytes
    },
    get isHeldBack() {
      return connection.isHeldBack
    },
    get isUnresponsive() {
      return connection.isUnresponsive
    },
    openUni: (priority) => {
      const name = open(false, priority)
      return sendStream(connection.openUni(priority), end, name)
    },
    openBi: (priority, events) => {
      const name = open(true, priority)
      const half = recvStream(end, name)
      const { receive, send } = connection.openBi(priority, half.listening(events))
      return { send: sendStream(send, end, name), receive: half.controls(receive) }
    },
    get maxDatagramSize() {
      return connection.maxDatagramSize
    },
    ...(connection.sendDatagram === undefined
      ? undefined
      : {
          sendDatagram: (datagram: Uint8Array) => {
            const { length } = datagram
            const isQueued = connection.sendDatagram!(datagram)
            end.says(`datagram of ${length} bytes${isQueued ? "" : ", dropped"}`)
            return isQueued
          }
        }),
    close: (code, reason) => {
      if (!end.over) end.says(`close with code ${code}${quoted(reason)}`)
      end.over = true
      connection.close(code, reason)
    },
    stats: () => connection.stats(),
    ...(seniority === undefined ? undefined : { seniority }),
    ...(connection.checkAlive === undefined
      ? undefined
      : {
          checkAlive: () => {
            end.says("asked for a sign of life")
            connection.checkAlive!()
          }
        }),
    ...(connection.charge === undefined ? undefined : { charge: (change: number) => connection.charge!(change) }),
    ...(connection.timeOut === undefined
      ? undefined
      : {
          timeOut: () => {
            if (!end.over) end.says("timed out")
            end.over = true
            connection.timeOut!()
          }
        })
  }
}

const connectionEvents = (events: ConnectionEvents, end: End): ConnectionEvents => {
  let remote = end.remote
  const onMoved = () => {
    const before = remote
    remote = end.remote
    end.hears(`moved, from ${before}`)
    events.onMoved?.()
  }
  const onAccepted = () => {
    end.hears("accepted by the peer")
    events.onAccepted?.()
  }
  const onDatagram = (datagram: Uint8Array) => {
    end.hears(`datagram of ${datagram.length} bytes`)
    events.onDatagram?.(datagram)
  }
  const onUnresponsive = () => {
    end.hears("does not answer")
    events.onUnresponsive?.()
  }
  return {
    get hasCarriedData() {
      return events.hasCarriedData
    },
    get holdsMessages() {
      return events.holdsMessages
    },
    get onStreamsHeld() {
      return events.onStreamsHeld?.bind(events)
    },
    get onDatagram() {
      return events.onDatagram === undefined ? undefined : onDatagram
    },
    get onAccepted() {
      return events.onAccepted === undefined ? undefined : onAccepted
    },
    get onMoved() {
      return events.onMoved === undefined ? undefined : onMoved
    },
    get onUnresponsive() {
      return events.onUnresponsive === undefined ? undefined : onUnresponsive
    },
    onStream: (receive, send) => {
      end.accepted += 1
      const name = `in${end.accepted}`
      end.hears(`${name} opened${bothWays(send !== undefined)}`)
      const half = recvStream(end, name)
      return half.listening(
        events.onStream(half.controls(receive), send === undefined ? undefined : sendStream(send, end, name))
      )
    },
    onClosed: (close) => {
      end.over = true
      end.hears(`ended: ${close.message}`)
      events.onClosed(close)
    }
  }
}

/** Passes a connection on, after recording how it came about. */
export const established = (
  local: Local,
  connection: BackingConnection,
  how: (end: End) => void,
  owner: (connection: BackingConnection) => ConnectionEvents
): ConnectionEvents => {
  const end = new End(local, connection)
  how(end)
  return connectionEvents(owner(connectionOf(connection, end)), end)
}
