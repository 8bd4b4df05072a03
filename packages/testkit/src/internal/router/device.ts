/** The state of a router without its sockets: what its protocols share. */
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { Journal } from "./journal.ts"
import { Misbehaviours } from "./misbehaviours.ts"
import { type Row, Table } from "./table.ts"

/** A protocol that maps ports. */
export type Protocol = "UPnP" | "NAT-PMP" | "PCP"

/** The options of a fake router with defaults filled in. */
export interface DeviceOptions {
  readonly version: 1 | 2
  readonly protocols: ReadonlyArray<Protocol>
  readonly secure: boolean
  readonly external: NetAddress.Ipv4Address
  /** The monotonic time, in milliseconds. */
  readonly now: () => number
  /** The time of the day in milliseconds, for the journal. */
  readonly date: () => number
}

/** The uptime at the beginning of a test, in seconds. */
const upFor = 1_000

/** How many seconds the epoch goes back with each answer of a router that counts backwards. */
const backwards = 100

/** The state that all protocols of one fake router share: mappings, misbehaviours, journal and epoch. */
export class Device {
  readonly version: 1 | 2
  readonly secure: boolean
  readonly misbehaviours = new Misbehaviours()
  readonly journal: Journal
  readonly table: Table
  /** How often the router has been started. */
  boots = 1
  external: NetAddress.Ipv4Address
  private readonly protocols: ReadonlyArray<Protocol>
  private readonly now: () => number
  private startedAt: number

  constructor(options: DeviceOptions) {
    this.version = options.version
    this.protocols = options.protocols
    this.secure = options.secure
    this.external = options.external
    this.now = options.now
    this.journal = new Journal(options.date)
    this.table = new Table(options.now)
    this.startedAt = options.now() - upFor * 1_000
  }

  speaks(protocol: Protocol) {
    return this.protocols.includes(protocol)
  }

  restart() {
    this.table.clear()
    this.boots++
    this.startedAt = this.now()
  }

  /** The seconds since its start, as it reports them. */
  epoch(): number {
    if (this.misbehaviours.take(["BackwardEpoch"]) !== undefined) this.startedAt += backwards * 1_000
    return Math.max(0, Math.floor((this.now() - this.startedAt) / 1_000))
  }

  /** The external address, as it reports it. */
  externalText(): string {
    return this.misbehaviours.take(["ExternalAddress"])?.address ?? NetAddress.formatIp(this.external)
  }

  externalIp(): NetAddress.Ipv4Address {
    return Option.getOrElse(
      Option.getSuccess(NetAddress.ipv4FromString(this.externalText())),
      () => NetAddress.ipv4Unspecified
    )
  }

  /** Makes the mapping, unless it is forgetful, and returns the lease in seconds, as it reports it. */
  keep(row: Row): number {
    const lie = this.misbehaviours.take(["LyingLease"])
    const lease = lie?.granted ?? row.lease
    if (this.misbehaviours.take(["Forgetful"]) === undefined) this.table.put({ ...row, lease })
    return lie?.told ?? lease
  }

  /** The remaining lease of a mapping in seconds, as it reports it: 0 for a permanent one. */
  leftOf(row: { readonly expires: number }): number {
    const left = Math.ceil((row.expires - this.now()) / 1_000)
    return this.misbehaviours.take(["LyingLease"])?.told ?? (Number.isFinite(left) ? left : 0)
  }
}
