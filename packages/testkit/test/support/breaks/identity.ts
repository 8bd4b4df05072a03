/**
 * Broken transports for the rules about keys, admission and acceptance.
 */
import { ApplicationClosed } from "@qp2p/core/Close"
import { ConnectionTimedOut, PeerMismatch, TooManyConnections } from "@qp2p/core/ConnectionError"
import * as Duration from "effect/Duration"
import * as TestIdentity from "../../../src/TestIdentity.ts"
import { type Breaks, breaking, ignore, never } from "./break.ts"
import type { Changes } from "./brokenTransport.ts"
import { goesOn } from "./dialling.ts"

const { peerId: anybody } = TestIdentity.make("anybody")

const quiet = { onData: () => true, onEnd: ignore }

/** Peers are admitted at once, whatever their owner decides. */
const admitting = (direction: "Inbound" | "Outbound") => (): Changes => ({
  onHandshake: (real) => (peer, decide) => {
    const isOurs = peer.direction === direction
    real(peer, isOurs ? ignore : decide)
    if (isOurs) decide(true)
  }
})

/** A handshake has no limit. */
const patient = (): Changes => ({ options: () => ({ handshakeTimeout: Duration.infinity }) })

/** The key is checked when the connection is there. */
const late = (): Changes => ({
  socket: ({ dial }) => ({
    dial: (address, { onConnected, onFailed }, expected) =>
      dial(address, {
        onConnected: (connection) => {
          const { peerId: actual } = connection
          if (expected === undefined || actual === expected) return onConnected(connection)
          connection.close(0, "")
          onFailed(new PeerMismatch({ expected, actual, address }))
          return { onStream: () => quiet, onClosed: ignore }
        },
        onFailed
      })
  })
})

/** A socket that has dialled once has no room for another dial. */
const once = (): Changes => ({
  socket: ({ dial }) => {
    let hasDialled = false
    return {
      dial: (address, events, expected) => {
        if (!hasDialled) {
          hasDialled = true
          return dial(address, events, expected)
        }
        queueMicrotask(() => events.onFailed(new TooManyConnections({ limit: 1 })))
        return ignore
      }
    }
  }
})

export const identity: Breaks = {
  "both ends of a connection know the key of the other": breaking("the acceptor takes another", /to equal/u, () => ({
    connection: (_, { dialled }) => (dialled ? {} : { peerId: anybody })
  })),
  "a dial that expects the key of the peer connects": breaking(
    "no key is the expected one",
    never("a dial connects"),
    () => ({
      socket: ({ dial }) => ({
        dial: (address, events, expected) => dial(address, events, expected && anybody)
      })
    })
  ),
  "a dial that expects another key fails with PeerMismatch, and the peer learns nothing of it": breaking(
    "the key is checked when the peer has learnt that of the dialler",
    /deeply equal/u,
    late
  ),
  "a dial that met another key leaves its place to another": breaking("it keeps it", never("a dial connects"), once),
  "both sides are asked about the peer, with its key, its address and the direction": breaking(
    "each takes itself to be dialled",
    /deeply equal/u,
    () => ({ onHandshake: (real) => (peer, decide) => real({ ...peer, direction: "Inbound" }, decide) })
  ),
  "two sockets may have one identity: each is dialled and dials, and the peer sees one key": breaking(
    "a peer has one connection with each key",
    never("all messages arrive"),
    () => {
      const known = new Set<string>()
      return {
        connectionEvents: (_, { dialled, real }) => {
          if (dialled || !known.has(real.peerId)) {
            if (!dialled) known.add(real.peerId)
            return {}
          }
          return { onStream: () => quiet }
        }
      }
    }
  ),
  "a socket that is bound again with its identity is the same peer, and with another identity another one": breaking(
    "each bind has a key of its own",
    never("a dial connects"),
    () => {
      let binds = 0
      return { options: () => ({ identity: TestIdentity.make(`bind ${(binds += 1)}`) }) }
    }
  ),

  "a dialled connection is accepted once the acceptor has admitted it, an inbound one from the beginning": breaking(
    "both are from the beginning",
    /deeply equal/u,
    () => ({ connection: () => ({ isAccepted: true }) })
  ),
  "what arrives before the acceptor has decided is delivered afterwards, whole": breaking(
    "it is dropped",
    never("both streams arrive"),
    () => ({
      connectionEvents: ({ onStream }) => {
        let isEarly = true
        queueMicrotask(() => (isEarly = false))
        return { onStream: (receive, send) => (isEarly ? quiet : onStream(receive, send)) }
      }
    })
  ),
  "nothing is acknowledged before the acceptor has decided, and everything afterwards": breaking(
    "what is sent before counts as acknowledged",
    /deeply equal/u,
    () => ({
      send: ({ write }, { real }) => ({
        write: (bytes, fin, done) => {
          if (!fin || real.isAccepted) return write(bytes, fin, done)
          write(bytes, fin, ignore)
          queueMicrotask(done)
        }
      })
    })
  ),
  "a peer that the acceptor refuses is told code 4, and nothing on its connection is delivered or acknowledged":
    breaking("it is admitted all the same", never("the dialler hears of the refusal"), admitting("Inbound")),
  "a peer that the acceptor refuses later is told code 4, and nothing on its connection is delivered or acknowledged":
    breaking("it is told code 0", /to have deep property|to deeply include|deep/u, () => ({
      connectionEvents: ({ onClosed }) => ({
        onClosed: (close) =>
          onClosed(close._tag === "ApplicationClosed" ? new ApplicationClosed({ code: 0, detail: "" }) : close)
      })
    })),
  "a refused connection leaves its place to another": breaking("it keeps it", never("a dial connects at last"), once),
  "a peer that the dialler refuses fails the dial with PeerRefused, and learns nothing of it": breaking(
    "it is admitted all the same",
    never("a dial fails"),
    admitting("Outbound")
  ),
  "a dialler that has not decided has no connection, and the peer learns nothing of it; then it connects": breaking(
    "it does not wait",
    /deeply equal/u,
    admitting("Outbound")
  ),
  "a decision that never comes at the acceptor refuses the peer after the handshake timeout": breaking(
    "a handshake has no limit",
    never("the dialler hears of the refusal"),
    patient
  ),
  "a decision that never comes at the dialler fails the dial with PeerRefused after the handshake timeout": breaking(
    "a handshake has no limit",
    never("a dial fails"),
    patient
  ),
  "a decision about a connection that has ended does nothing": breaking(
    "the peer is admitted before",
    /expected 4 to equal 3/u,
    admitting("Inbound")
  ),
  "a dial that is given up before the decision about its peer reports nothing, and the peer learns nothing of it":
    breaking("it goes on in silence", /deeply equal/u, goesOn),
  "closing the scope fails the dials whose peers are not decided about with EndpointStopped": breaking(
    "they time out",
    /deeply equal/u,
    () => ({
      socket: ({ dial }) => ({
        dial: (peer, { onConnected, onFailed }, expected) =>
          dial(peer, { onConnected, onFailed: () => onFailed(new ConnectionTimedOut({ peer })) }, expected)
      })
    })
  ),
  "a question that is not answered ends with its connection, once, and an answered one does not": breaking(
    "the owner does not hear that an answer is not needed any more",
    /the question ends/u,
    () => ({
      onHandshake: (real) => (peer, decide) => {
        real(peer, decide)
      }
    })
  ),
  "a later decision reports nothing from within the call": breaking(
    "the peer is asked about once more",
    /told from within decide/u,
    () => ({
      onHandshake: (real) => (peer, decide) =>
        real(peer, (isAdmitted) => {
          decide(isAdmitted)
          real(peer, ignore)
        })
    })
  )
}
