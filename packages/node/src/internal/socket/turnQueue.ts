/**
 * The order of turns: IP addresses in turn, and the connections of one address in turn. A peer with many connections gets no
 * more turns by them than one with a single connection.
 */
import { Fifo } from "@qp2p/core/Fifo"
import { maxIdleTurnQueues } from "../tunables/turns.ts"

/** The view of a connection. */
interface Queued {
  /** The name under which its IP address counts. */
  readonly ipGroup: string
}

/** The connections that wait for a turn. */
export class TurnQueue<C extends Queued> {
  private count = 0
  private forgetAt = maxIdleTurnQueues
  private readonly byIp = new Map<string, Fifo<C>>()
  /** The queues that are not empty, that of the next turn first. */
  private readonly ring = new Fifo<Fifo<C>>()

  /** The number of connections. */
  get length(): number {
    return this.count
  }

  /** Adds a connection behind the others of its IP address. */
  push(connection: C): void {
    let queue = this.byIp.get(connection.ipGroup)
    if (queue === undefined) {
      if (this.byIp.size >= this.forgetAt) this.forgetEmpty()
      this.byIp.set(connection.ipGroup, (queue = new Fifo()))
    }
    if (queue.length === 0) this.ring.push(queue)
    queue.push(connection)
    this.count += 1
  }

  /** Takes the connection with the next turn. Its address goes behind the others. */
  shift(): C | undefined {
    const queue = this.ring.shift()
    if (queue === undefined) return undefined
    const connection = queue.shift()
    if (queue.length > 0) this.ring.push(queue)
    this.count -= 1
    return connection
  }

  /** Removes a connection. */
  remove(connection: C): void {
    const queue = this.byIp.get(connection.ipGroup)
    if (queue?.remove(connection) !== true) return
    this.count -= 1
    if (queue.length === 0) this.ring.remove(queue)
  }

  /** A queue is kept when it is empty, because it is soon needed again; but not for ever. */
  private forgetEmpty(): void {
    for (const [ip, queue] of this.byIp) if (queue.length === 0) this.byIp.delete(ip)
    this.forgetAt = Math.max(maxIdleTurnQueues, 2 * this.byIp.size)
  }
}
