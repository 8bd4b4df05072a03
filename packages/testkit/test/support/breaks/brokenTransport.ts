/**
 * The memory transport with something wrong.
 */
import {
  type BackingConnection,
  type BackingRecvStream,
  type BackingSendStream,
  type BackingSocket,
  type BindOptions,
  type ConnectionEvents,
  type DialEvents,
  type RecvEvents,
  type SocketEvents,
  Transport
} from "@qp2p/core/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layerNetwork } from "../multihomedNetwork.ts"

type Bind = Transport["Service"]["bind"]

type OnHandshake = NonNullable<SocketEvents["onHandshake"]>

/** What a break may look at. */
export interface World {
  /** The callback that is running, if one is. */
  inside:
    | keyof DialEvents
    | keyof ConnectionEvents
    | keyof RecvEvents
    | "onConnection"
    | "done"
    | "onStopped"
    | undefined
}

/** One end of a connection, and what it has told. */
export interface End {
  readonly dialled: boolean
  readonly world: World
  readonly real: BackingConnection
  events: ConnectionEvents | undefined
}

/** What to do otherwise. Each gets the real thing, and answers with the members that it replaces. */
export interface Changes {
  readonly options?: (options: BindOptions) => Partial<BindOptions>
  readonly bind?: (real: Bind) => Bind
  readonly socket?: (real: BackingSocket, world: World, options: BindOptions) => Partial<BackingSocket>
  readonly onHandshake?: (real: OnHandshake) => OnHandshake
  readonly connection?: (real: BackingConnection, end: End) => Partial<BackingConnection>
  readonly connectionEvents?: (real: ConnectionEvents, end: End) => Partial<ConnectionEvents>
  readonly send?: (real: BackingSendStream, end: End) => Partial<BackingSendStream>
  readonly receive?: (real: BackingRecvStream, events: () => RecvEvents, end: End) => Partial<BackingRecvStream>
  readonly recvEvents?: (real: RecvEvents, end: End) => Partial<RecvEvents>
  /** A bidirectional stream that this side opens. */
  readonly both?: (
    real: { readonly send: BackingSendStream; readonly receive: BackingRecvStream },
    events: RecvEvents,
    end: End
  ) => { readonly send?: Partial<BackingSendStream>; readonly receive?: Partial<BackingRecvStream> }
}

/** Notes that `name` is running. */
const within = <Args extends Array<unknown>, A>(world: World, name: World["inside"], call: (...args: Args) => A) => {
  return (...args: Args): A => {
    const before = world.inside
    world.inside = name
    try {
      return call(...args)
    } finally {
      world.inside = before
    }
  }
}

export const broken = (changes: Changes): Layer.Layer<Transport> => {
  const world: World = { inside: undefined }

  const send = (real: BackingSendStream, end: End): BackingSendStream => {
    const members: BackingSendStream = {
      onStopped: (stopped) => real.onStopped(within(world, "onStopped", stopped)),
      setPriority: (priority) => real.setPriority(priority),
      reset: (code) => real.reset(code),
      write: (bytes, fin, done) => real.write(bytes, fin, within(world, "done", done)),
      writeWhole: (bytes, done) => real.writeWhole!(bytes, within(world, "done", done))
    }
    return { ...members, ...changes.send?.(members, end) }
  }

  const receive = (real: BackingRecvStream, events: () => RecvEvents, end: End): BackingRecvStream => {
    const members: BackingRecvStream = { resume: () => real.resume(), stop: (code) => real.stop(code) }
    return { ...members, ...changes.receive?.(members, events, end) }
  }

  const recvEvents = (given: RecvEvents, end: End): RecvEvents => {
    const real: RecvEvents = {
      demand: () => given.demand?.() ?? Infinity,
      onData: within(world, "onData", given.onData),
      onEnd: within(world, "onEnd", given.onEnd)
    }
    return { ...real, ...changes.recvEvents?.(real, end) }
  }

  const connection = (end: End): BackingConnection => {
    const { real } = end
    const members: BackingConnection = {
      peerId: real.peerId,
      isAccepted: real.isAccepted,
      get remoteAddress() {
        return real.remoteAddress
      },
      openUni: (priority) => send(real.openUni(priority), end),
      openBi: (priority, events) => {
        const both = real.openBi(priority, recvEvents(events, end))
        const members = { send: send(both.send, end), receive: receive(both.receive, () => events, end) }
        const change = changes.both?.(members, events, end)
        return {
          send: { ...members.send, ...change?.send },
          receive: { ...members.receive, ...change?.receive }
        }
      },
      close: (code, reason) => real.close(code, reason),
      stats: () => real.stats(),
      get maxDatagramSize() {
        return real.maxDatagramSize
      },
      sendDatagram: (datagram) => real.sendDatagram!(datagram),
      seniority: real.seniority,
      checkAlive: () => real.checkAlive?.(),
      timeOut: () => real.timeOut?.()
    }
    const changed = changes.connection?.(members, end)
    return {
      ...members,
      ...changed,
      get maxDatagramSize() {
        return changed?.maxDatagramSize ?? real.maxDatagramSize
      },
      get remoteAddress() {
        return changed?.remoteAddress ?? real.remoteAddress
      },
      get isAccepted() {
        return changed?.isAccepted ?? real.isAccepted
      }
    }
  }

  const connectionEvents = (given: ConnectionEvents, end: End): ConnectionEvents => {
    const real: ConnectionEvents = {
      onStream: within(world, "onStream", given.onStream),
      onAccepted: within(world, "onAccepted", () => given.onAccepted?.()),
      onMoved: () => given.onMoved?.(),
      onDatagram: within(world, "onDatagram", (datagram) => given.onDatagram?.(datagram)),
      onUnresponsive: () => given.onUnresponsive?.(),
      onClosed: within(world, "onClosed", given.onClosed)
    }
    const changed = { ...real, ...changes.connectionEvents?.(real, end) }
    return {
      ...changed,
      onStream: (back, out) => {
        const stream = receive(back, () => events, end)
        const events: RecvEvents = changed.onStream(stream, out && send(out, end))
        return recvEvents(events, end)
      }
    }
  }

  const established =
    (
      dialled: boolean,
      name: "onConnected" | "onConnection",
      tell: (connection: BackingConnection) => ConnectionEvents
    ) =>
    (real: BackingConnection) => {
      const end: End = { dialled, world, real, events: undefined }
      const given = within(world, name, tell)(connection(end))
      end.events = connectionEvents(given, end)
      return end.events
    }

  const change = (bind: Bind): Bind =>
    Effect.fnUntraced(function* (given, { onConnection, onHandshake }) {
      const options = { ...given, ...changes.options?.(given) }
      const socket = yield* bind(options, {
        onConnection: established(false, "onConnection", onConnection),
        onHandshake: onHandshake && (changes.onHandshake?.(onHandshake) ?? onHandshake)
      })
      const members: BackingSocket = {
        address: socket.address,
        dial: (peer, events, expected) =>
          socket.dial(
            peer,
            {
              onConnected: established(true, "onConnected", events.onConnected),
              onFailed: within(world, "onFailed", events.onFailed)
            },
            expected
          )
      }
      return { ...members, ...changes.socket?.(members, world, options) }
    })

  return Layer.effect(
    Transport,
    Effect.map(Transport, ({ bind }) => Transport.of({ bind: changes.bind?.(change(bind)) ?? change(bind) }))
  ).pipe(Layer.provide(layerNetwork))
}
