/**
 * Plain UDP on loopback: unknown senders, silent hosts, and a relay between two peers.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as dgram from "node:dgram"

export interface Heard {
  readonly bytes: Uint8Array
  readonly port: number
}

export interface Udp {
  readonly port: number
  readonly heard: Array<Heard>
  readonly send: (bytes: Uint8Array, port: number, host?: string) => void
  onHeard: ((heard: Heard) => void) | undefined
}

export const udp = (host = "127.0.0.1", port = 0): Effect.Effect<Udp, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<dgram.Socket>((resume) => {
        const socket = dgram.createSocket({ type: host.includes(":") ? "udp6" : "udp4", recvBufferSize: 4 << 20 })
        socket.once("error", (cause) => resume(Effect.die(cause)))
        socket.bind(port, host, () => resume(Effect.succeed(socket)))
      }),
      (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
    ),
    (socket) => {
      const heard: Array<Heard> = []
      let open = true
      socket.once("close", () => (open = false))
      const self: Udp = {
        port: socket.address().port,
        heard,
        send: (bytes, to, toHost = host) => {
          // A late packet of a peer must not fail the test that is closing.
          if (open) socket.send(bytes, to, toHost, () => {})
        },
        onHeard: undefined
      }
      socket.on("message", (bytes, from) => {
        const it: Heard = { bytes: new Uint8Array(bytes), port: from.port }
        if (self.onHeard === undefined) heard.push(it)
        else self.onHeard(it)
      })
      return self
    }
  )

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = dgram.createSocket("udp4")
    const answer = (free: boolean) => void socket.close(() => resume(Effect.succeed(free)))
    socket.once("error", () => answer(false))
    socket.bind(port, "127.0.0.1", () => answer(true))
  })

let latest = (process.pid * 997) % 12_000

/**
 * A port of 127.0.0.1 where nobody is. It is below those that systems give out, so that nobody else gets it between two
 * sockets of a test.
 */
export const freePort: Effect.Effect<number> = Effect.suspend(() => {
  latest = (latest + 1) % 12_000
  const port = 20_000 + latest
  return Effect.flatMap(isFree(port), (free) => (free ? Effect.succeed(port) : freePort))
})

export interface Relay {
  /** Where the client dials. */
  readonly port: number
  /** What passed, copied, while `recording`. */
  readonly toServer: Array<Uint8Array>
  readonly toClient: Array<Uint8Array>
  recording: boolean
  /** The ports that the server has seen the client at. */
  readonly ports: Array<number>
  /** Gives the client another port towards the server, as a NAT does that has forgotten it. */
  readonly rebind: Effect.Effect<void, never, Scope.Scope>
  /** Gives the client another IP address and port towards the server, as another network does. */
  readonly rebindTo: (host: string) => Effect.Effect<void, never, Scope.Scope>
  /** Told of each packet to the server, or to the client; false drops it. */
  filter: ((bytes: Uint8Array) => boolean) | undefined
  filterBack: ((bytes: Uint8Array) => boolean) | undefined
  /** Sends to the server as the client. */
  readonly inject: (bytes: Uint8Array) => void
}

/** Stands between one client and the server at `server`. */
export const relay = Effect.fnUntraced(function* (server: () => number) {
  const inside = yield* udp()
  let client = 0
  let outside: Udp | undefined
  const toServer = (bytes: Uint8Array) => outside!.send(bytes, server(), "127.0.0.1")
  const rebindTo = Effect.fnUntraced(function* (host: string) {
    const fresh = yield* udp(host)
    fresh.onHeard = ({ bytes }) => {
      // A NAT that has forgotten a mapping lets nothing in through it.
      if (outside !== fresh) return
      if (self.recording) self.toClient.push(bytes.slice())
      if (self.filterBack !== undefined && !self.filterBack(bytes)) return
      if (client !== 0) inside.send(bytes, client)
    }
    outside = fresh
    self.ports.push(fresh.port)
  })
  const self: Relay = {
    port: inside.port,
    toServer: [],
    toClient: [],
    recording: false,
    ports: [],
    filter: undefined,
    filterBack: undefined,
    rebind: rebindTo("127.0.0.1"),
    rebindTo,
    inject: toServer
  }
  inside.onHeard = ({ bytes, port }) => {
    client = port
    if (self.recording) self.toServer.push(bytes.slice())
    if (self.filter === undefined || self.filter(bytes)) toServer(bytes)
  }
  yield* self.rebind
  return self
})
