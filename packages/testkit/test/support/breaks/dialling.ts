/**
 * Broken transports for the rules about dialling.
 */
import { ConnectionTimedOut, EndpointStopped, InvalidAddress } from "@qp2p/core/ConnectionError"
import { BindError } from "@qp2p/core/EndpointError"
import type { BackingConnection } from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import { all, type Breaks, breaking, ignore, never } from "./break.ts"
import type { Changes } from "./brokenTransport.ts"

const withPort = ({ address }: NetAddress.InetAddress, port: number) => NetAddress.inetAddressUnsafe(address, port)

const quiet = { onData: () => true, onEnd: ignore }

/** A dial that is cancelled goes on, and is only not reported. */
export const goesOn = (): Changes => ({
  socket: ({ dial }) => ({
    dial: (peer, { onConnected, onFailed }) => {
      let cancelled = false
      dial(peer, {
        onConnected: (connection) =>
          cancelled ? { onStream: () => quiet, onClosed: ignore } : onConnected(connection),
        onFailed: (error) => {
          if (!cancelled) onFailed(error)
        }
      })
      return () => void (cancelled = true)
    }
  })
})

export const dialling: Breaks = {
  "binding to port 0 gives each socket a port of its own, and tells it": breaking(
    "a socket tells the port that was asked for",
    /expected 1 to equal 5/u,
    () => ({
      bind: (real) => (options, events) =>
        Effect.map(real(options, events), ({ dial }) => ({ address: options.localAddress, dial }))
    })
  ),
  "binding an address that is in use fails with a BindError that names it": breaking(
    "another port is taken instead",
    /expected 'Success' to equal 'Failure'/u,
    () => ({
      bind: (real) => (options, events) =>
        Effect.catch(real(options, events), () =>
          real({ ...options, localAddress: withPort(options.localAddress, 0) }, events)
        )
    })
  ),
  "both ends of a connection know the address at which the other can be dialled": breaking(
    "the acceptor sees another port",
    /to equal '127\.0\.0\.1:49/u,
    () => ({
      connection: ({ remoteAddress }, { dialled }) =>
        dialled ? {} : { remoteAddress: withPort(remoteAddress, remoteAddress.port - 1_000) }
    })
  ),
  "a peer that answers from another address than it was dialled at is connected, and said to be where it answers from":
    breaking(
      "a dialler takes the peer to be where it was dialled",
      never("it is known to answer from elsewhere"),
      () => ({
        socket: ({ dial }) => ({
          dial: (peer, events) =>
            dial(peer, {
              ...events,
              onConnected: (connection) => {
                Object.defineProperty(connection, "remoteAddress", { value: peer })
                return events.onConnected(connection)
              }
            })
        })
      })
    ),
  "the peer of a dial is where it was dialled until onMoved says that it is elsewhere: packets prove nothing": breaking(
    "a dialler takes the peer to be where its packets come from",
    /to equal '127\.0\.0\.2:/u,
    () => ({
      connection: ({ remoteAddress }, { dialled }) =>
        dialled ? { remoteAddress: NetAddress.inetAddressFromIpStringUnsafe("127.0.0.1", remoteAddress.port) } : {}
    })
  ),
  "one socket dials many at once, and each message comes to the peer that it was for": breaking(
    "a dial goes to whom the one before it went",
    /deeply equal/u,
    () => ({
      socket: ({ dial }) => {
        let before: NetAddress.InetAddress | undefined
        return {
          dial: (peer, events) => {
            const to = before ?? peer
            before = peer
            return dial(to, events)
          }
        }
      }
    })
  ),
  "many sockets dial one at once, and each gets a connection of its own": breaking(
    "an acceptor has one connection with each address",
    never("each connection's message arrives"),
    () => {
      const known = new Set<string>()
      return {
        connectionEvents: (_, { dialled, real }) => {
          const key = NetAddress.formatInet(real.remoteAddress)
          if (dialled || !known.has(key)) {
            if (!dialled) known.add(key)
            return {}
          }
          return { onStream: () => quiet }
        }
      }
    }
  ),
  "the end of one connection leaves the others between the same sockets alone": breaking(
    "close closes every connection",
    never("each connection's message arrives"),
    () => {
      const connections: Array<BackingConnection> = []
      return {
        connection: ({ close }, { real }) => {
          connections.push(real)
          return {
            close: (code, reason) => {
              close(code, reason)
              for (const other of connections) other.close(code, reason)
            }
          }
        }
      }
    }
  ),
  "dials that cross give two connections, and both carry messages": breaking(
    "a peer that is dialled is not heard when it dials",
    never("each connection's message arrives"),
    () => {
      const sought = new Set<string>()
      return {
        connectionEvents: (_, { dialled, real }) => {
          const peer = NetAddress.formatInet(real.remoteAddress)
          if (dialled) sought.add(peer)
          return !dialled && sought.has(peer) ? { onStream: () => quiet } : {}
        }
      }
    }
  ),
  "where connections have seniority, both ends order them alike, also when their dials crossed": breaking(
    "each end has its own dials come first",
    /deeply equal/u,
    () => ({ connection: ({ seniority }, { dialled }) => ({ seniority: `${dialled ? 0 : 1}${seniority}` }) })
  ),
  "where connections have seniority, the oldest is the least": breaking("the youngest is", /deeply equal/u, () => ({
    connection: ({ seniority = "" }) => ({ seniority: seniority.replaceAll(/\d/gu, (digit) => `${9 - Number(digit)}`) })
  })),
  ...all(
    [
      "a dial that is given up reports nothing, and the peer keeps no connection of it",
      "a dial that is given up leaves its place to another"
    ],
    breaking("a dial that is given up goes on in silence", never("a dial connects at last"), goesOn)
  ),
  "giving up a dial that has succeeded does nothing": breaking(
    "it closes the connection",
    never("a short message is acknowledged"),
    () => ({
      socket: ({ dial }) => ({
        dial: (peer, { onConnected, onFailed }) => {
          let made: BackingConnection | undefined
          const cancel = dial(peer, { onConnected: (connection) => onConnected((made = connection)), onFailed })
          return () => (made === undefined ? cancel() : made.close(0, ""))
        }
      })
    })
  ),

  ...all(
    [
      "port 0",
      "an address of another family",
      "the unspecified address",
      "a multicast address",
      "the broadcast address"
    ].map((what) => `a dial to ${what} fails with an InvalidAddress that names it`),
    breaking("it names something else", /expected 'elsewhere'/u, () => ({
      socket: ({ dial }) => ({
        dial: (peer, { onConnected, onFailed }) =>
          dial(peer, { onConnected, onFailed: () => onFailed(new InvalidAddress({ input: "elsewhere", detail: "" })) })
      })
    }))
  ),
  "a dial to a socket that does not accept fails with ConnectionTimedOut, and that socket reports no event": breaking(
    "it is accepted all the same",
    never("a dial fails"),
    () => ({ options: () => ({ accept: true }) })
  ),
  "a dial goes on until the handshake timeout is over": breaking(
    "no handshake takes longer than a second",
    /deeply equal/u,
    () => ({
      options: ({ handshakeTimeout }) => ({ handshakeTimeout: Duration.min(handshakeTimeout, Duration.seconds(1)) })
    })
  ),
  "a socket that does not accept can dial": breaking("it cannot", never("a dial connects"), () => ({
    socket: (_, __, { accept }) =>
      accept
        ? {}
        : {
            dial: (_, { onFailed }) => {
              queueMicrotask(() => onFailed(new EndpointStopped()))
              return ignore
            }
          }
  })),
  "a dial beyond maxConnections fails with TooManyConnections, accepted connections counted in": breaking(
    "there is no such limit",
    never("a dial fails"),
    () => ({ options: () => ({ maxConnections: 10_000 }) })
  ),
  ...all(
    ["maxConnections", "maxConnectionsPerIp"].map(
      (limit) =>
        `a socket with as many connections as ${limit} refuses with code 2, and accepts again when one has ended`
    ),
    breaking("there are no such limits", never("a dial fails"), () => ({
      options: () => ({ maxConnections: 10_000, maxConnectionsPerIp: 10_000 })
    }))
  ),
  "closing the scope fails the dials under way and all later ones with EndpointStopped": breaking(
    "they time out",
    /deeply equal/u,
    () => ({
      socket: ({ dial }) => ({
        dial: (peer, { onConnected, onFailed }) =>
          dial(peer, { onConnected, onFailed: () => onFailed(new ConnectionTimedOut({ peer })) })
      })
    })
  ),
  "closing the scope frees the port at once": breaking("a port is never used twice", /BindError/u, () => {
    const used = new Set<string>()
    return {
      bind: (real) => (options, events) =>
        Effect.gen(function* () {
          const { localAddress } = options
          if (used.has(NetAddress.formatInet(localAddress))) {
            const detail = "the address is in use"
            return yield* new BindError({ address: localAddress, detail, cause: new Error(detail) })
          }
          const socket = yield* real(options, events)
          used.add(NetAddress.formatInet(socket.address))
          return socket
        })
    }
  })
}
