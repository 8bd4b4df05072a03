/**
 * A UDP socket whose packets a test may drop, corrupt, repeat and reorder.
 */
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as DatagramSocket from "effect/socket/DatagramSocket"

/** What becomes of a datagram: the datagrams that go on in its place. It must not be changed, only replaced. */
export type Path = (payload: Uint8Array) => ReadonlyArray<Uint8Array>

export const open: Path = (payload) => [payload]
export const blocked: Path = () => []

/** The paths of one socket; they may be changed at any time. */
export class Network {
  outgoing: Path
  incoming: Path

  constructor(outgoing: Path = open, incoming: Path = open) {
    this.outgoing = outgoing
    this.incoming = incoming
  }

  readonly openSocket = (address: NetAddress.InetAddress): Effect.Effect<DatagramSocket.DatagramSocket> =>
    Effect.map(
      NodeDatagramSocket.make({
        bind: address,
        ipv6Only: NetAddress.isInetAddressV6(address),
        kernelReceiveBufferSize: 4 << 20,
        kernelSendBufferSize: 4 << 20,
        receiveBuffer: { capacity: 8_192 }
      }),
      (inner) =>
        DatagramSocket.make({
          reader: Effect.map(inner.reader, (reader) => ({
            address: reader.address,
            dropped: () => reader.dropped(),
            joinMulticast: reader.joinMulticast,
            pull: this.pull(reader)
          })),
          writer: Effect.map(inner.writer, (writer) => ({
            write: (datagram) => this.send(writer, [datagram]),
            writeAll: (datagrams) => this.send(writer, datagrams)
          }))
        })
    )

  private pull(reader: DatagramSocket.Reader): DatagramSocket.Reader["pull"] {
    return Effect.flatMap(reader.pull, (datagrams) => {
      const arrived = datagrams.flatMap(({ address, payload }) =>
        this.incoming(payload).map((replaced) => ({ payload: replaced, address }))
      )
      return Arr.isArrayNonEmpty(arrived) ? Effect.succeed(arrived) : this.pull(reader)
    })
  }

  private send(
    writer: DatagramSocket.Writer,
    datagrams: Arr.NonEmptyReadonlyArray<DatagramSocket.OutgoingDatagram>
  ): ReturnType<DatagramSocket.Writer["writeAll"]> {
    const leaving = datagrams.flatMap(({ address, payload }) =>
      this.outgoing(payload as Uint8Array).map((replaced) => ({ payload: replaced, address }))
    )
    return Arr.isArrayNonEmpty(leaving) ? writer.writeAll(leaving) : Effect.void
  }
}

/** Numbers from 0 to 1 that `seed` determines. */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export interface Faults {
  readonly seed: number
  /** Each a probability. */
  readonly loss?: number
  readonly duplication?: number
  /** The datagram comes after one to eight later ones. */
  readonly reordering?: number
  /** One bit is flipped. */
  readonly corruption?: number
}

export const faulty = (faults: Faults): Path => {
  const { corruption = 0, duplication = 0, loss = 0, reordering = 0, seed } = faults
  const next = random(seed)
  const held: Array<{ readonly payload: Uint8Array; after: number }> = []
  return (payload) => {
    const out: Array<Uint8Array> = []
    if (next() >= loss) {
      let it = payload
      if (next() < corruption) {
        it = payload.slice()
        const at = Math.floor(next() * it.length)
        it[at] = it[at]! ^ (1 << Math.floor(next() * 8))
      }
      if (next() < reordering) held.push({ payload: it.slice(), after: 1 + Math.floor(next() * 8) })
      else out.push(it)
      if (next() < duplication) out.push(payload.slice())
    }
    for (let i = held.length - 1; i >= 0; i--) {
      const waiting = held[i]!
      waiting.after -= 1
      if (waiting.after > 0) continue
      held.splice(i, 1)
      out.push(waiting.payload)
    }
    return out
  }
}
