/**
 * What a program has asked of its endpoints, and what came of it. The laws are about this.
 */
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Close } from "@qp2p/core/Close"
import type { Connection } from "@qp2p/core/Connection"
import type { ConnectionId } from "@qp2p/core/ConnectionId"
import type { Pool } from "@qp2p/core/ConnectionPool"
import type { Endpoint } from "@qp2p/core/Endpoint"

/** One end of a connection, as the transport has it. */
export interface End {
  readonly id: ConnectionId
  readonly peer: string
  /** The same at both ends. */
  readonly seniority: string | undefined
  readonly dialled: boolean
  readonly openedAt: number
  /** The endpoint had no room for it, and nobody is told of it. */
  refused: boolean
  /** The peer has accepted it; before that, nobody is told of it. */
  accepted: boolean
  closed: Close | undefined
  closedAt: number
}

/** A dial, which several operations may share. */
export interface Dial {
  readonly peer: string
  readonly startedAt: number
  endedAt: number
  /** How many others with the same peer were under way. */
  readonly alongside: number
}

/** An endpoint from its start to its end. Another one may follow it in its place. */
export interface Life {
  readonly name: string
  readonly slot: number
  readonly address: string
  readonly endpoint: Endpoint["Service"]
  readonly scope: Scope.Closeable
  readonly pool: Pool
  readonly ends: ReadonlyArray<End>
  readonly dials: ReadonlyArray<Dial>
  readonly startedAt: number
  endedAt: number
  end: "closed" | "crashed" | undefined
  /** Takes messages, unless the application has stopped reading. */
  reader: Fiber.Fiber<unknown, unknown> | undefined
  readonly takers: Array<Fiber.Fiber<unknown, unknown>>
  /** Connections that the application holds. */
  readonly handles: Array<Connection>
  /** What the application was told: connections that were made to it, and ends. */
  readonly told: Array<ConnectionId>
  readonly disconnections: Array<{ readonly id: ConnectionId; readonly peer: string; readonly reason: Close }>
}

/** Something that takes its time. */
export interface Operation {
  readonly name: string
  readonly by: Life
  readonly peer: number
  readonly startedAt: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  interrupted: boolean
  endedAt: number
  exit: Exit.Exit<unknown, unknown> | undefined
}

export type Manner = "sendMessage" | "sendMessageOnce" | "trySendMessage" | "send" | "stream" | "reply"

/** A message. */
export interface Sent {
  readonly id: number
  readonly size: number
  readonly manner: Manner
  readonly from: Life
  readonly to: number
  /** Of which stream it is a part. */
  readonly stream: StreamLog | undefined
  readonly operation: Operation
  readonly received: Array<{ readonly by: Life; readonly at: number; readonly connection: ConnectionId }>
}

/** A datagram. */
export interface SentDatagram {
  readonly id: number
  readonly size: number
  readonly from: Life
  readonly to: number
  /** Whether the connection took it. */
  readonly isTaken: boolean
  readonly received: Array<Life>
}

/** One direction of a stream: what was written to it, and what came out of it. */
export interface StreamLog {
  readonly name: string
  readonly from: Life
  readonly to: number
  readonly connection: ConnectionId
  /** The other direction, if this one has the answers to it. */
  readonly answered: StreamLog | undefined
  readonly startedAt: number
  /** How many messages it is to carry. */
  readonly total: number
  /** In order. */
  readonly written: Array<number>
  readonly read: Array<{ readonly id: number; readonly by: Life; readonly connection: ConnectionId }>
  /** When the peer had acknowledged all of it. */
  finishedAt: number | undefined
  /** Whoever writes or reads has let go of it. */
  abandoned: boolean
}

/** What was going on in a step that may be the reason of a failure. */
export interface Trouble {
  /** Who was not there for all of the step. */
  readonly down: Set<number>
  /** Who could not hear each other for all of the step, as `pairOf`. */
  readonly cut: Set<string>
  /** Who has not read for all of the step. */
  readonly silent: Set<number>
  /** Whose connections with whom were broken, as `pairOf`; one entry for each time. */
  readonly broken: Array<string>
  /** Something was asked before everything asked earlier had come about. */
  rushed: boolean
}

export const pairOf = (a: number, b: number): string => `${Math.min(a, b)}-${Math.max(a, b)}`

export class Journal {
  step = 0
  readonly trouble: Array<Trouble> = [{ down: new Set(), cut: new Set(), silent: new Set(), broken: [], rushed: false }]
  readonly lives: Array<Life> = []
  readonly sent: Array<Sent> = []
  readonly datagrams: Array<SentDatagram> = []
  readonly streams: Array<StreamLog> = []
  readonly operations: Array<Operation> = []
  /** What contradicts the guarantees at first sight. */
  readonly violations: Array<string> = []

  get now(): Trouble {
    return this.trouble[this.step]!
  }

  /** Whatever holds on is part of the next step, too. */
  next(down: Iterable<number>, cut: Iterable<string>, silent: Iterable<number>): void {
    this.step += 1
    this.trouble.push({
      down: new Set(down),
      cut: new Set(cut),
      silent: new Set(silent),
      broken: [],
      rushed: false
    })
  }

  /** The steps from one to another, both included. */
  during(from: number, to: number): ReadonlyArray<Trouble> {
    return this.trouble.slice(from, to + 1)
  }
}
