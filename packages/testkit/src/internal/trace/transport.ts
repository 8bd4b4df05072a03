/** A transport that records the events of the transport it wraps. */
import type { BackingSocket, DialEvents, SocketEvents, Transport } from "@qp2p/core/Transport"
import * as PeerId from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import { established } from "./connection.ts"
import type { Local } from "./end.ts"
import type { Recorder } from "./recorder.ts"

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
