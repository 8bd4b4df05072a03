/**
 * The sending side of a connection on a binding that does what a test says.
 */
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { AcknowledgedPackets } from "../../../src/internal/streams/acknowledgedPackets.ts"
import { Outgoing } from "../../../src/internal/streams/outgoing.ts"
import type { SendStream } from "../../../src/internal/streams/sendStream.ts"
import { outcomes } from "../../support/quicSockets.ts"

export const byte = new Uint8Array(1)
export const nothing = new Uint8Array(0)

/** The sending side of a dialled connection whose peer takes and acknowledges what the test says. */
export const setup = () => {
  const peer = {
    credit: { uni: Infinity, bidi: Infinity },
    /** Streams whose own window is full. */
    full: (_id: number): boolean => false,
    /** In the congestion window. */
    room: 1_000_000,
    stopped: new Map<number, number>(),
    acknowledged: new Set<number>(),
    /** Whether the retransmission timer runs. */
    inFlight: true,
    /** Packets of the peer that the binding has taken. */
    packets: 0,
    heardAt: 0,
    paths: [{ lost: 0, rtt: 10 }] as Array<Partial<ReturnType<NativeConnection["pathStats"]>[number]>>
  }
  const sent: Array<readonly [id: number, bytes: number, fin: boolean]> = []
  const told: Array<string> = []
  /** Streams that go before all others, probe streams too. */
  const expedited: Array<number> = []
  let scheduled = 0
  let asked = 0
  const throwIfStopped = (id: number) => {
    const code = peer.stopped.get(id)
    if (code !== undefined) throw new Error(`StreamStopped(${code})`)
  }
  const native = {
    peerStreamsLeftUni: () => peer.credit.uni,
    peerStreamsLeftBidi: () => peer.credit.bidi,
    streamSend: (id: number, bytes: Uint8Array, fin: boolean) => {
      throwIfStopped(id)
      if (peer.full(id)) return null
      // RFC 9000, section 2.1: the second bit is set for streams that go one way.
      if (!sent.some(([known]) => known === id)) peer.credit[(id & 0x2) === 0 ? "bidi" : "uni"] -= 1
      sent.push([id, bytes.length, fin])
      return bytes.length
    },
    streamWritable: (id: number) => {
      asked += 1
      throwIfStopped(id)
      if (peer.acknowledged.has(id)) throw new Error(`InvalidStreamState(${id})`)
    },
    streamCapacity: (id: number) => {
      throwIfStopped(id)
      if (peer.acknowledged.has(id)) throw new Error(`InvalidStreamState(${id})`)
      return peer.full(id) ? 0 : peer.room
    },
    streamFinished: (id: number) => peer.acknowledged.has(id),
    streamPriority: (id: number, urgency: number, isIncremental: boolean) => {
      if (isIncremental) told.push(`${id} has urgency ${urgency}`)
      else expedited.push(id)
    },
    streamShutdown: (id: number, _direction: number, code: number) => told.push(`${id} is reset with ${code}`),
    sendAckEliciting: () => told.push("ping"),
    timeout: () => (peer.inFlight ? 100 : 60_000),
    stats: () => ({ recv: peer.packets }),
    pathStats: () => peer.paths
  } as unknown as NativeConnection
  const acknowledged = new AcknowledgedPackets()
  const outgoing = new Outgoing({
    native,
    dialled: true,
    schedule: () => (scheduled += 1),
    failure: () => undefined,
    acknowledged,
    heardAt: () => peer.heardAt,
    idleTimeout: () => 60_000
  })
  const write = (stream: SendStream, bytes: Uint8Array, fin: boolean) => {
    const { done, results } = outcomes()
    stream.write(bytes, fin, done)
    return results
  }
  return { acknowledged, outgoing, expedited, peer, sent, told, schedules: () => scheduled, asked: () => asked, write }
}
