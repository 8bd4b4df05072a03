/** The mappings of a router in all protocols, and their leases. */

/** The transport protocol of a mapping, as UPnP names it. */
export type Transport = "UDP" | "TCP"

/** A port mapping: its external port and the internal host and port that it leads to. */
export interface Row {
  readonly transport: Transport
  readonly host: string
  readonly port: number
  readonly externalPort: number
  readonly by: "UPnP" | "NAT-PMP" | "PCP"
  /** The nonce that a PCP request must have to change the mapping. */
  readonly nonce: string
  readonly description: string
  /** In seconds; infinite for a permanent mapping. */
  readonly lease: number
}

/** A port mapping with the time at which it expires. */
export interface Kept extends Row {
  /** In milliseconds of the monotonic clock. */
  readonly expires: number
}

/** The first port that is given out when the requested one is taken. */
const firstPort = 1024
const lastPort = 65_535

/** The port mappings of a fake router; it drops expired rows. */
export class Table {
  private readonly now: () => number
  private readonly rows = new Map<string, Kept>()

  constructor(now: () => number) {
    this.now = now
  }

  get live(): ReadonlyArray<Kept> {
    const time = this.now()
    for (const [key, row] of this.rows) if (row.expires <= time) this.rows.delete(key)
    return [...this.rows.values()]
  }

  clear() {
    this.rows.clear()
  }

  at(transport: Transport, externalPort: number): Kept | undefined {
    return this.live.find((row) => row.transport === transport && row.externalPort === externalPort)
  }

  /** The mappings of an internal socket, or of the whole host when `port` is 0. */
  of(transport: Transport, host: string, port: number): ReadonlyArray<Kept> {
    return this.live.filter(
      (row) => row.transport === transport && row.host === host && (port === 0 || row.port === port)
    )
  }

  put(row: Row) {
    this.rows.set(keyOf(row), { ...row, expires: this.now() + row.lease * 1_000 })
  }

  remove(row: Pick<Row, "transport" | "externalPort">) {
    this.rows.delete(keyOf(row))
  }

  /** `wanted`, or the next free port. */
  freePort(transport: Transport, wanted: number): number | undefined {
    const taken = new Set(this.live.filter((row) => row.transport === transport).map((row) => row.externalPort))
    let port = wanted === 0 ? firstPort : wanted
    for (let tries = firstPort; tries <= lastPort + 1; tries++) {
      if (!taken.has(port)) return port
      port = port < firstPort || port >= lastPort ? firstPort : port + 1
    }
    return undefined
  }
}

const keyOf = ({ externalPort, transport }: Pick<Row, "transport" | "externalPort">) => `${transport} ${externalPort}`
