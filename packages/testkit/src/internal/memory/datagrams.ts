/** The datagrams of one end of a memory connection: packets of their own, which are sent once. */
import { anywhere, Rules } from "../network/conditions.ts"
import type { Place } from "../network/place.ts"
import type { PacketOutcome } from "../network/wire.ts"
import type { MemoryPort } from "./port.ts"

/** What a packet of QUIC has besides a datagram, in bytes, with ids of the greatest length. */
const packetOverhead = 44

/** The most datagrams under way from one end, and the most bytes of them. A further one is dropped. */
const maxUnderWay = 256
const maxBytesUnderWay = 256 << 10

/** What happens to datagrams on their way: probabilities from 0 to 1, times in milliseconds, sizes in bytes. */
export interface DatagramConditions {
  readonly loss: number
  readonly reordering: number
  readonly reorderingDelay: number
  /** The payload of the largest packet. */
  readonly mtu: number
}

const none: DatagramConditions = { loss: 0, reordering: 0, reorderingDelay: 10, mtu: 1_200 }

const names = Object.keys(none) as ReadonlyArray<keyof DatagramConditions>

/** The conditions from one place to another. Changing one keeps the others. */
export class DatagramRules {
  private readonly rules = new Map(names.map((name) => [name, new Rules<number>(none[name])]))

  change(change: { readonly [K in keyof DatagramConditions]?: number | undefined }, from = anywhere, to = anywhere) {
    for (const [name, rules] of this.rules) {
      const value = change[name]
      if (value !== undefined) rules.set(from, to, value)
    }
  }

  get(name: keyof DatagramConditions, from: Place, to: Place): number {
    return this.rules.get(name)!.get(from, to)
  }
}

/** What datagrams need of their connection. */
export interface DatagramsHost {
  readonly port: MemoryPort
  readonly remote: () => Place
  readonly wire: {
    readonly timeline: { readonly schedule: (delay: number, body: () => void) => unknown }
    /** Draws from 0 to 1. */
    readonly random: () => number
    readonly datagrams: DatagramRules
    readonly transmit: (
      from: MemoryPort,
      to: Place,
      size: number,
      notBefore: number,
      outcome: PacketOutcome<MemoryPort>
    ) => number
  }
  readonly isClosed: () => boolean
  /** A datagram that has left arrives at a socket. */
  readonly deliver: (at: MemoryPort | undefined, source: Place, datagram: Uint8Array) => void
}

/** Sends the datagrams of one end. */
export class Datagrams {
  private readonly host: DatagramsHost
  private underWay = 0
  private bytesUnderWay = 0

  constructor(host: DatagramsHost) {
    this.host = host
  }

  get maxSize(): number {
    return Math.max(0, this.get("mtu") - packetOverhead)
  }

  send(datagram: Uint8Array): boolean {
    const { host } = this
    const { length } = datagram
    if (host.isClosed() || length > this.maxSize) return false
    if (this.underWay >= maxUnderWay || this.bytesUnderWay + length > maxBytesUnderWay) return false
    const { datagrams, random, timeline } = host.wire
    this.underWay += 1
    this.bytesUnderWay += length
    const left = () => {
      this.underWay -= 1
      this.bytesUnderWay -= length
    }
    const draw = (name: "loss" | "reordering") => {
      const probability = datagrams.get(name, host.port.home, host.remote())
      return probability > 0 && random() < probability
    }
    if (draw("loss")) {
      timeline.schedule(0, left)
      return true
    }
    const bytes = new Uint8Array(datagram)
    const transmit = () =>
      host.wire.transmit(host.port, host.remote(), length, 0, {
        arrive: (at, source) => {
          left()
          host.deliver(at, source, bytes)
        },
        lose: left
      })
    if (draw("reordering")) timeline.schedule(random() * this.get("reorderingDelay"), transmit)
    else transmit()
    return true
  }

  private get(name: keyof DatagramConditions): number {
    const { port, remote, wire } = this.host
    return wire.datagrams.get(name, port.home, remote())
  }
}
