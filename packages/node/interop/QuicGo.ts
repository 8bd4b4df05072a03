/** A peer on quic-go: a process that is told what to do, and tells what happens to it. */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { inject } from "vitest"
import { until } from "../test/support/quicSockets.ts"

/** Something that has happened to it. */
export interface Event {
  readonly event:
    | "listening"
    /** A handshake that the other side began is complete, or one of its own. */
    | "accepted"
    | "connected"
    | "failed"
    | "closed"
    | "message"
    | "answer"
    /** A stream brought something else than messages. */
    | "spoiled"
  /** `in-1`, `in-2` … for those that were accepted. */
  readonly connection?: string
  /** Where it listens, or where who it has accepted is. */
  readonly address?: string
  /** The beginning of a message, or a reason. */
  readonly text?: string
  readonly bytes?: number
}

export interface QuicGo {
  readonly address: NetAddress.InetAddress
  readonly events: ReadonlyArray<Event>
  readonly dial: (connection: string, to: NetAddress.InetAddress) => void
  /** Sends a message on a stream of its own. */
  readonly send: (connection: string, text: string, times?: number) => void
  /** Asks on a bidirectional stream; the answer is an event. */
  readonly ask: (connection: string, text: string) => void
  /** Waits for an event like this; a failure says what has happened instead. */
  readonly waitFor: (event: Event) => Effect.Effect<Event>
}

export const start = Effect.fnUntraced(function* (...flags: ReadonlyArray<string>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(inject("quicGo"), flags, { stdio: ["pipe", "pipe", "inherit"] })),
    (child) => {
      // It ends with its input.
      child.stdin.end()
      return child.exitCode === null ? Effect.promise(() => once(child, "exit")) : Effect.void
    }
  )
  const events: Array<Event> = []
  createInterface({ input: child.stdout }).on("line", (line) => events.push(JSON.parse(line)))
  const waitFor = (wanted: Event): Effect.Effect<Event> => {
    const find = () =>
      events.find((event) => Object.entries(wanted).every(([key, value]) => event[key as keyof Event] === value))
    return Effect.map(
      Effect.catchDefect(
        until(JSON.stringify(wanted), () => find() !== undefined),
        (defect) => Effect.die(new Error(`${String(defect)}; but: ${events.map((it) => JSON.stringify(it)).join(" ")}`))
      ),
      () => find()!
    )
  }
  const tell = (command: object) => void child.stdin.write(`${JSON.stringify(command)}\n`)
  const { address } = yield* waitFor({ event: "listening" })
  const peer: QuicGo = {
    address: NetAddress.inetAddressFromStringUnsafe(address!),
    events,
    dial: (connection, to) => tell({ do: "dial", connection, address: NetAddress.formatInet(to) }),
    send: (connection, text, times = 1) => tell({ do: "send", connection, text, times }),
    ask: (connection, text) => tell({ do: "ask", connection, text }),
    waitFor
  }
  return peer
})
