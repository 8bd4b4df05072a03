/** A transport that records the events of the transport it wraps. */
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  BackingSocket,
  ConnectionEvents,
  DialEvents,
  RecvEvents,
  SocketEvents,
  StreamFailure,
  Transport
} from "@qp2p/core/Transport"
import * as PeerId from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type { Recorder } from "./recorder.ts"
import { Frames, type Text } from "./text.ts"

const quoted = (reason: string) => (reason === "" ? "" : `: ${reason}`)

const bothWays = (yes: boolean) => (yes ? ", both ways" : "")

/** A socket, or the address that it will have. */
interface Local {
  readonly recorder: Recorder
  address: string
}

/** One end of a connection: records its calls and its events. */
class End {
  private readonly local: Local
  private readonly connection: BackingConnection
  private readonly label: string
  private peer: NetAddress.InetAddress
  private peerText: string
  opened = 0
  accepted = 0
  over = false

  constructor(local: Local, connection: BackingConnection) {
    this.local = local
    this.connection = connection
    this.label = `#${local.recorder.connectionNumber(connection.seniority)}`
    this.peer = connection.remoteAddress
    this.peerText = NetAddress.formatInet(this.peer)
  }

  says(text: Text): void {
    this.add("→", text)
  }

  hears(text: Text): void {
    this.add("←", text)
  }

  /** The peer's current address, formatted once: formatting it for each line would cost more than the rest. */
  get remote(): string {
    const peer = this.connection.remoteAddress
    if (peer !== this.peer) {
      this.peer = peer
      this.peerText = NetAddress.formatInet(peer)
    }
    return this.peerText
  }

  private add(arrow: string, text: Text): void {
    const before = `${this.local.address} ${arrow} ${this.remote}  ${this.label} `
    this.local.recorder.add(typeof text === "string" ? before + text : () => before + text())
  }
}

const prefixed = (name: string, text: Text, after: string): Text =>
  typeof text === "string" ? `${name} ${text}${after}` : () => `${name} ${text()}${after}`

const sendStream = (stream: BackingSendStream, end: End, name: string): BackingSendStream => {
  const frames = new Frames()
  let over = false

  const noteWrite = (bytes: Uint8Array, fin: boolean) => {
    const texts = frames.read(bytes)
    const ending = fin ? `fin${frames.rest}` : ""
    const last = texts.pop()
    for (const text of texts) end.says(prefixed(name, text, ""))
    if (last !== undefined) end.says(prefixed(name, last, fin ? `, ${ending}` : ""))
    else if (fin) end.says(`${name} ${ending}`)
  }

  const listening = (fin: boolean, done: (failure?: StreamFailure) => void) => {
    // Pending writes fail together, which is recorded once; each later write is recorded on its own.
    const late = over
    return (failure?: StreamFailure) => {
      if (failure !== undefined) {
        if (late || !over) end.hears(`${name} failed: ${failure.message}`)
        over = true
      } else if (fin) {
        end.hears(`${name} acknowledged`)
        over = true
      }
      done(failure)
    }
  }

  return {
    write: (bytes, fin, done) => {
      const heard = listening(fin, done)
      noteWrite(bytes, fin)
      stream.write(bytes, fin, heard)
    },
    ...(stream.writeWhole === undefined
      ? undefined
      : {
          writeWhole: (content, done) =>
            stream.writeWhole!(
              (most) => {
                const whole = content(most)
                noteWrite(whole.bytes, true)
                return whole
              },
              listening(true, done)
            )
        }),
    onStopped: (stopped) => stream.onStopped(stopped),
    setPriority: (priority) => {
      end.says(`${name} priority ${priority}`)
      stream.setPriority(priority)
    },
    reset: (code) => {
      if (!over) end.says(`${name} reset with code ${code}`)
      over = true
      stream.reset(code)
    }
  }
}

/** The receiving half of a stream: records the owner's calls and the transport's events. */
const recvStream = (end: End, name: string) => {
  const frames = new Frames()
  let paused = false
  let over = false

  const pauseUnless = (goesOn: boolean) => {
    if (goesOn || paused || over) return
    paused = true
    end.says(`${name} paused`)
  }

  const controls = (stream: BackingRecvStream): BackingRecvStream => ({
    resume: () => {
      if (paused && !over) end.says(`${name} resumed`)
      paused = false
      stream.resume()
    },
    stop: (code) => {
      if (!over) end.says(`${name} stop with code ${code}`)
      over = true
      stream.stop(code)
    }
  })

  const listening = (events: RecvEvents): RecvEvents => {
    const demand = () => {
      const wanted = events.demand?.() ?? Infinity
      pauseUnless(wanted > 0)
      return wanted
    }
    return {
      // The owner may add or remove its `demand`.
      get demand() {
        return events.demand === undefined ? undefined : demand
      },
      onData: (chunk) => {
        for (const text of frames.read(chunk)) end.hears(prefixed(name, text, ""))
        const goesOn = events.onData(chunk)
        pauseUnless(goesOn)
        return goesOn
      },
      onEnd: (failure) => {
        over = true
        end.hears(`${name} ${failure === undefined ? "fin" : `failed: ${failure.message}`}${frames.rest}`)
        events.onEnd(failure)
      }
    }
  }

  return { controls, listening }
}

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
const established = (
  local: Local,
  connection: BackingConnection,
  how: (end: End) => void,
  owner: (connection: BackingConnection) => ConnectionEvents
): ConnectionEvents => {
  const end = new End(local, connection)
  how(end)
  return connectionEvents(owner(connectionOf(connection, end)), end)
}

const dialler =
  (local: Local, socket: BackingSocket): BackingSocket["dial"] =>
  (peer, events, expected) => {
    const { recorder } = local
    const dial = `dial ${recorder.nextDial()}`
    const way = (arrow: string) => `${local.address} ${arrow} ${NetAddress.formatInet(peer)}`
    let pending = true
    recorder.add(`${way("→")}  ${dial}${expected === undefined ? "" : `, expecting ${PeerId.short(expected)}`}`)
    const traced: DialEvents = {
      onConnected: (connection) => {
        pending = false
        return established(
          local,
          connection,
          (end) => end.hears(`connected by ${dial}`),
          (wrapped) => events.onConnected(wrapped)
        )
      },
      onFailed: (error) => {
        pending = false
        recorder.add(`${way("←")}  ${dial} failed: ${error.message}`)
        events.onFailed(error)
      }
    }
    const giveUp = socket.dial(peer, traced, expected)
    return () => {
      if (pending) recorder.add(`${way("→")}  ${dial} given up`)
      pending = false
      giveUp()
    }
  }

/** Records the decisions about peers, except those to admit a peer at once. */
const asking =
  (local: Local, onHandshake: NonNullable<SocketEvents["onHandshake"]>): SocketEvents["onHandshake"] =>
  (peer, decide) => {
    const note = (arrow: string, text: string) =>
      local.recorder.add(`${local.address} ${arrow} ${NetAddress.formatInet(peer.address)}  ${text}`)
    const id = PeerId.short(peer.peerId)
    let isAsking = true
    let isDecided = false
    const cancel = onHandshake(peer, (isAdmitted) => {
      if (!isDecided && !(isAsking && isAdmitted)) note("→", `${isAdmitted ? "admits" : "refuses"} ${id}`)
      isDecided = true
      decide(isAdmitted)
    })
    isAsking = false
    if (!isDecided) note("←", `${id} waits for admission`)
    return cancel
  }

/** Wraps a transport so that `recorder` gets a line for each call and each event; the behaviour is unchanged. */
export const traced = (transport: Transport["Service"], recorder: Recorder): Transport["Service"] => ({
  ...transport,
  bind: Effect.fnUntraced(function* (options, events) {
    const local: Local = { recorder, address: NetAddress.formatInet(options.localAddress) }
    let bound = false
    // Added before `bind`: it runs when everything of the socket is released.
    yield* Effect.addFinalizer(() => Effect.sync(() => bound && recorder.add(`${local.address}  freed`)))
    const { onHandshake } = events
    const binding = transport.bind(options, {
      onHandshake: onHandshake && asking(local, onHandshake.bind(events)),
      onConnection: (connection) =>
        established(
          local,
          connection,
          (end) => end.hears("accepted"),
          (wrapped) => events.onConnection(wrapped)
        )
    })
    const socket = yield* Effect.tapError(binding, (error) =>
      Effect.sync(() => recorder.add(`${local.address}  not bound: ${error.message}`))
    )
    bound = true
    local.address = NetAddress.formatInet(socket.address)
    recorder.add(`${local.address}  bound${options.accept ? "" : ", for dialling only"}`)
    return { address: socket.address, dial: dialler(local, socket) }
  })
})
