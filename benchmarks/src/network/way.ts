import type { RandomGenerator } from "pure-rand/types/RandomGenerator"
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64"
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus"

/** What happens to data in one direction. */
export interface Conditions {
  /** Milliseconds that everything is under way. Timers of Node are whole milliseconds, so up to one more. */
  readonly latency: number
  /** Share of the packets that never arrive, from 0 to 1. */
  readonly loss: number
  /** Bytes a second that fit through; undefined is as many as come. */
  readonly rate?: number | undefined
}

/** What a way did with packets (UDP) or chunks of the stream (TCP). */
export interface WayCounts {
  readonly delivered: number
  readonly bytes: number
  /** Dropped by chance, as `loss` asks for. */
  readonly lost: number
  /** Dropped because more than `capacity` bytes were waiting. */
  readonly overflowed: number
}

interface Packet {
  readonly due: number
  readonly data: Uint8Array
  readonly deliver: (data: Uint8Array) => void
}

/**
 * One direction of a network: takes data, keeps its order, and hands it over when it is due. With a rate, data waits for
 * what went before it, as in front of a narrow line. Which packets are lost depends on the seed and on how many packets came
 * before, on nothing else.
 */
export class Way {
  readonly #conditions: Conditions
  readonly #random: RandomGenerator
  readonly #capacity: number
  #packets: Array<Packet> = []
  #first = 0
  #waiting = 0
  #free = 0
  #timer: NodeJS.Timeout | undefined
  #delivered = 0
  #bytes = 0
  #lost = 0
  #overflowed = 0

  constructor(conditions: Conditions, seed: number, capacity: number) {
    this.#conditions = conditions
    this.#random = xoroshiro128plus(seed)
    this.#capacity = capacity
  }

  /** Bytes that are under way. */
  get waiting(): number {
    return this.#waiting
  }

  get counts(): WayCounts {
    return { delivered: this.#delivered, bytes: this.#bytes, lost: this.#lost, overflowed: this.#overflowed }
  }

  /** Sends `data`, `deliver` gets it. Never earlier than `notBefore` plus the latency, in milliseconds of `performance.now()`. */
  send(data: Uint8Array, deliver: (data: Uint8Array) => void, notBefore = 0): void {
    const { latency, loss, rate } = this.#conditions
    if (loss > 0 && uniformFloat64(this.#random) < loss) {
      this.#lost++
      return
    }
    if (this.#waiting + data.length > this.#capacity) {
      this.#overflowed++
      return
    }
    const start = Math.max(performance.now(), notBefore, this.#free)
    this.#free = rate === undefined ? start : start + (data.length / rate) * 1000
    this.#waiting += data.length
    this.#packets.push({ due: this.#free + latency, data, deliver })
    this.#wait()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#packets = []
    this.#first = 0
    this.#waiting = 0
  }

  #wait(): void {
    const next = this.#packets[this.#first]
    if (this.#timer !== undefined || next === undefined) return
    this.#timer = setTimeout(() => this.#arrive(), Math.max(0, next.due - performance.now()))
  }

  #arrive(): void {
    this.#timer = undefined
    const now = performance.now()
    for (let next = this.#packets[this.#first]; next !== undefined && next.due <= now;) {
      this.#first++
      this.#waiting -= next.data.length
      this.#delivered++
      this.#bytes += next.data.length
      next.deliver(next.data)
      next = this.#packets[this.#first]
    }
    if (this.#first > 1024 || this.#first === this.#packets.length) {
      this.#packets = this.#packets.slice(this.#first)
      this.#first = 0
    }
    this.#wait()
  }
}
