/** The wire and the sockets of `SimulatedNetwork`. */
import { isAt, type Place, placeAt, placeOf } from "../network/place.ts"
import type { Port } from "../network/realm.ts"
import type { Timeline } from "../network/timeline.ts"
import { Wire } from "../network/wire.ts"
import { FaultRules } from "./faults.ts"

/** A bound socket. After `rebind` its place differs from the bound one. */
export interface SimulatedPort extends Port {
  place: Place
  readonly onPacket: (payload: Uint8Array, host: string, port: number) => void
}

/** The wire of simulated UDP sockets: it adds faults, such as loss and duplication, to the conditions of the path. */
export class SimulatedWire extends Wire<SimulatedPort> {
  readonly faults = new FaultRules()
  /** Draws for faults, separate from those for latencies: which datagrams are lost does not depend on latencies. */
  readonly chance: () => number
  readonly counts = { sent: 0, delivered: 0, lost: 0, duplicated: 0, reordered: 0, corrupted: 0 }
  readonly bound = new Set<SimulatedPort>()

  constructor(timeline: Timeline, random: () => number, chance: () => number) {
    super(timeline, random)
    this.chance = chance
  }

  /** Gives the sockets with these names other external ports, without telling them. */
  rebind(names: ReadonlyArray<string>) {
    for (const port of this.bound) {
      if (!names.some((name) => isAt(port.home, name))) continue
      const vacant = port.realm.vacancy(placeAt(port.place.address.address, 0).address)
      if (vacant === undefined) continue
      port.realm.remove(port)
      port.place = placeOf(vacant)
      port.realm.add(port)
    }
  }
}
