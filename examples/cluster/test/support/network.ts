/** A network of UDP relays on loopback, one before each runner, which a test can cut. */
import { Effect, Scope } from "effect"
import * as dgram from "node:dgram"

class Udp {
  private readonly socket: dgram.Socket
  private isOpen = true

  constructor(socket: dgram.Socket) {
    this.socket = socket
    socket.once("close", () => (this.isOpen = false))
  }

  get port(): number {
    return this.socket.address().port
  }

  onPacket(handler: (bytes: Uint8Array, from: number) => void): void {
    this.socket.on("message", (bytes, { port }) => handler(bytes, port))
  }

  /** A late packet is not sent by a socket that has closed. */
  send(bytes: Uint8Array, port: number): void {
    if (this.isOpen) this.socket.send(bytes, port, "127.0.0.1", () => {})
  }
}

const open = Effect.map(
  Effect.acquireRelease(
    Effect.callback<dgram.Socket>((resume) => {
      const socket = dgram.createSocket({ type: "udp4", recvBufferSize: 4 << 20 })
      socket.once("error", (cause) => resume(Effect.die(cause)))
      socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
  ),
  (socket) => new Udp(socket)
)

/** A runner's place in the network: others reach it at `port`, and it listens on `runnerPort`. */
class Place {
  readonly port: number
  /** Unknown until the runner has started, and another one when it has started again. */
  runnerPort = 0
  isSevered = false

  constructor(port: number) {
    this.port = port
  }
}

export interface Network {
  readonly places: ReadonlyArray<Place>
  /** From now on no packet passes between this runner and the others. */
  readonly sever: (place: Place) => void
  readonly heal: (place: Place) => void
}

/** A network with places for so many runners. */
export const network = (size: number): Effect.Effect<Network, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const places: Array<Place> = []

    const add = Effect.gen(function* () {
      const front = yield* open
      const place = new Place(front.port)
      places.push(place)
      // Each peer has a socket of its own behind the relay, as behind a NAT, so that the answers find it.
      const back = new Map<number, Udp | undefined>()
      const passes = (from: number) => {
        const sender = places.find(({ runnerPort }) => runnerPort === from)
        return sender === place || !(place.isSevered || sender?.isSevered === true)
      }
      front.onPacket((bytes, from) => {
        if (!passes(from)) return
        const known = back.get(from)
        if (known !== undefined) return known.send(bytes, place.runnerPort)
        if (back.has(from)) return
        back.set(from, undefined)
        const connect = Effect.map(open, (own) => {
          back.set(from, own)
          own.onPacket((answer) => {
            if (passes(from)) front.send(answer, from)
          })
          own.send(bytes, place.runnerPort)
        })
        // @effect-diagnostics-next-line runEffectInsideEffect:off -- a packet that comes is no fiber's
        Effect.runFork(Effect.provideService(connect, Scope.Scope, scope))
      })
    })

    for (let index = 0; index < size; index++) yield* add
    return {
      places,
      sever: (place) => void (place.isSevered = true),
      heal: (place) => void (place.isSevered = false)
    }
  })
