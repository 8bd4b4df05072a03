/**
 * What applications send each other: messages, and streams with their answers.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { Connection } from "@qp2p/core/Connection"
import type { ConnectionId } from "@qp2p/core/ConnectionId"
import type { IncomingDatagram } from "@qp2p/core/IncomingDatagram"
import type { IncomingMessage } from "@qp2p/core/IncomingMessage"
import type { SendStream } from "@qp2p/core/SendStream"
import type { Journal, Life, Manner, Operation, Sent, StreamLog } from "./journal.ts"
import { idOf, isSame, payloadOf, smallest } from "./payload.ts"
import type { World } from "./world.ts"

export type StreamEnd = "finish" | "reset" | "leave"

/** Whether a stream is to be answered, and whether the answers are taken at once or have to wait for a while. */
export type Answers = "none" | "now" | "later"

interface Responder {
  readonly waiting: Array<Sent>
  readonly log: StreamLog
  readonly reply: SendStream
  running: boolean
}

/** Takes one after the other until there is none any more. */
export const forever = <A, E>(next: Effect.Effect<A, E>, take: (item: A) => void): Effect.Effect<void, E> =>
  Effect.forever(Effect.map(next, take))

export class Traffic {
  private readonly world: World
  private readonly responders = new Map<StreamLog, Responder>()

  constructor(world: World) {
    this.world = world
  }

  private get journal(): Journal {
    return this.world.journal
  }

  send(life: Life, to: number, size: number, manner: "sendMessage" | "sendMessageOnce" | "trySendMessage"): Operation {
    const { endpoint } = life
    return this.message(life, to, size, manner, undefined, (payload) => {
      const peer = this.world.rig.addressOf(to)
      if (manner === "trySendMessage") return endpoint.trySendMessage(payload, peer)
      return endpoint.sendMessage(payload, peer, { retryDuration: manner === "sendMessageOnce" ? 0 : undefined })
    })
  }

  /** Sends over one of the connections that the application has been given, whatever has become of it. */
  sendOver(life: Life, connection: Connection, size: number): void {
    const to = this.world.slotOf(NetAddress.formatInet(connection.remoteAddress))
    this.message(life, to, size, "send", undefined, (payload) => connection.send(payload))
  }

  /** Sends a datagram over one of the connections that the application has been given, whatever has become of it. */
  datagram(life: Life, connection: Connection, size: number): void {
    const { datagrams, violations } = this.journal
    const to = this.world.slotOf(NetAddress.formatInet(connection.remoteAddress))
    const id = datagrams.length
    const payload = payloadOf(id, Math.max(smallest, size))
    const exit = Effect.runSyncExit(connection.sendDatagram(payload))
    datagrams.push({ id, size: payload.length, from: life, to, isTaken: Exit.isSuccess(exit), received: [] })
    if (Exit.isSuccess(exit)) return
    const { _tag: failure } = Cause.squash(exit.cause) as { readonly _tag?: string }
    const isEnded = !life.ends.some(({ closed, id: open }) => open === connection.id && closed === undefined)
    const hasReason =
      failure === "DatagramQueueFull" ||
      (failure === "DatagramTooLarge" && payload.length > connection.maxDatagramSize) ||
      (failure === "ConnectionLost" && (isEnded || life.end !== undefined || !this.world.rig.exact))
    if (!hasReason) violations.push(`datagram ${id} of ${life.name} fails with ${failure} for no reason`)
  }

  takeDatagram(life: Life, { payload, connection, peerId }: IncomingDatagram): void {
    const { datagrams, violations } = this.journal
    const record = datagrams[idOf(payload)]
    if (record === undefined || !isSame(payload, payloadOf(record.id, record.size))) {
      violations.push(`${life.name} got a datagram of ${payload.length} bytes that nobody has sent`)
      return
    }
    record.received.push(life)
    const say = (what: string) => violations.push(`${life.name} got datagram ${record.id} ${what}`)
    if (record.to !== life.slot) say(`, which was for ${record.to}`)
    if (record.from.endpoint.peerId !== peerId || connection.peerId !== peerId) say(`of ${peerId}`)
    if (!life.ends.some(({ id, peer }) => id === connection.id && peer === record.from.address))
      say(`over connection ${connection.id}, which is not with ${record.from.name}`)
  }

  /** Sends messages on one stream, and takes the answers when there are any. */
  stream(life: Life, to: number, sizes: ReadonlyArray<number>, answers: Answers, end: StreamEnd): void {
    const { journal } = this
    const name = `stream ${life.name} to ${to}`
    const log = (connection: Connection): StreamLog => {
      const stream: StreamLog = {
        name: `${name} (${journal.streams.length})`,
        from: life,
        to,
        connection: connection.id,
        answered: undefined,
        startedAt: journal.step,
        total: sizes.length,
        written: [],
        read: [],
        finishedAt: undefined,
        abandoned: false
      }
      journal.streams.push(stream)
      return stream
    }
    const operation = this.world.operation(life, to, name)
    const write = Effect.fnUntraced(function* (traffic: Traffic, stream: StreamLog, send: SendStream) {
      for (const size of sizes) {
        const sent = traffic.record(life, to, size, "stream", stream, operation)
        stream.written.push(sent.id)
        yield* send.sendMessage(payloadOf(sent.id, sent.size))
      }
      if (end === "leave") return
      if (end === "reset") {
        stream.abandoned = true
        return yield* send.reset(7)
      }
      yield* send.finish
      stream.finishedAt = journal.step
    })
    const program = Effect.fnUntraced(function* (traffic: Traffic) {
      const connection = yield* traffic.world.connected(life, to)
      if (answers === "none") {
        const send = yield* connection.openUni()
        const stream = log(connection)
        return yield* Effect.onInterrupt(write(traffic, stream, send), () =>
          Effect.andThen(
            Effect.sync(() => void (stream.abandoned = true)),
            send.reset(8)
          )
        )
      }
      const { receive, send } = yield* connection.openBi()
      const stream = log(connection)
      const letGo = Effect.suspend(() => {
        stream.abandoned = true
        const responder = traffic.responders.get(stream)
        if (responder !== undefined) responder.log.abandoned = true
        return Effect.andThen(send.reset(8), receive.stop(9))
      })
      yield* Effect.onInterrupt(
        Effect.gen(function* () {
          const written = yield* Effect.exit(write(traffic, stream, send))
          if (end !== "finish") return yield* Effect.andThen(letGo, written)
          if (answers === "later") yield* Effect.raceFirst(Effect.sleep("2 seconds"), connection.closed)
          yield* Effect.ignore(forever(receive.next, (payload) => traffic.answer(life, stream, payload)))
          return yield* written
        }),
        () => letGo
      )
    })
    this.world.run(operation, program(this))
  }

  private message(
    life: Life,
    to: number,
    size: number,
    manner: Manner,
    stream: StreamLog | undefined,
    send: (payload: Uint8Array) => Effect.Effect<void, unknown>
  ): Operation {
    const operation = this.world.operation(life, to, `${manner} ${life.name} to ${to}`)
    const sent = this.record(life, to, size, manner, stream, operation)
    this.world.run(
      operation,
      Effect.suspend(() => send(payloadOf(sent.id, sent.size)))
    )
    return operation
  }

  private record(
    from: Life,
    to: number,
    size: number,
    manner: Manner,
    stream: StreamLog | undefined,
    operation: Operation
  ): Sent {
    const { sent } = this.journal
    const record: Sent = {
      id: sent.length,
      size: Math.max(smallest, size),
      manner,
      from,
      to,
      stream,
      operation,
      received: []
    }
    sent.push(record)
    return record
  }

  /** What a payload is, if it is what was sent. */
  private recognise(where: string, payload: Uint8Array): Sent | undefined {
    const { sent, violations } = this.journal
    const record = sent[idOf(payload)]
    if (record === undefined || !isSame(payload, payloadOf(record.id, record.size))) {
      violations.push(`${where} got ${payload.length} bytes that nobody has sent (number ${idOf(payload)})`)
      return undefined
    }
    return record
  }

  take(life: Life, { payload, peer, connectionId: connection, reply }: IncomingMessage): void {
    const { journal } = this
    const sent = this.recognise(life.name, payload)
    if (sent === undefined) return
    sent.received.push({ by: life, at: journal.step, connection })
    const say = (what: string) => journal.violations.push(`${life.name} got message ${sent.id} ${what}`)
    if (sent.to !== life.slot) say(`, which was for ${sent.to}`)
    if (sent.manner === "reply") say(", which was an answer on a stream")
    if (NetAddress.formatInet(peer) !== sent.from.address) say(` from ${peer} instead of ${sent.from.name}`)
    const end = life.ends.find(({ id }) => id === connection)
    if (end === undefined || end.peer !== sent.from.address)
      say(` over connection ${connection}, which is not with ${sent.from.name}`)
    const { stream } = sent
    if (stream === undefined) {
      if (Option.isSome(reply)) say(" with a reply, though not on a bidirectional stream")
      return
    }
    stream.read.push({ id: sent.id, by: life, connection })
    if (Option.isSome(reply)) this.respond(life, sent, stream, connection, reply.value)
  }

  /** Answers each message of a stream with another of its size, and finishes after the last. */
  private respond(life: Life, sent: Sent, stream: StreamLog, connection: ConnectionId, reply: SendStream): void {
    const { journal, responders } = this
    let responder = responders.get(stream)
    if (responder === undefined) {
      const log: StreamLog = {
        name: `answers on ${stream.name}`,
        from: life,
        to: stream.from.slot,
        connection,
        answered: stream,
        startedAt: journal.step,
        total: stream.total,
        written: [],
        read: [],
        finishedAt: undefined,
        abandoned: stream.abandoned
      }
      journal.streams.push(log)
      responder = { waiting: [], log, reply, running: false }
      responders.set(stream, responder)
    } else if (responder.reply !== reply) {
      journal.violations.push(`${stream.name} has more than one way to reply`)
    }
    responder.waiting.push(sent)
    if (responder.running) return
    responder.running = true
    const { log, waiting } = responder
    const operation = this.world.operation(life, log.to, log.name)
    const answer = Effect.fnUntraced(function* (traffic: Traffic) {
      for (let asked = waiting.shift(); asked !== undefined; asked = waiting.shift()) {
        const record = traffic.record(life, log.to, asked.size, "reply", log, operation)
        log.written.push(record.id)
        yield* reply.sendMessage(payloadOf(record.id, record.size))
      }
      if (log.written.length < log.total) return
      yield* reply.finish
      log.finishedAt = journal.step
    })
    this.world.run(
      operation,
      answer(this).pipe(
        Effect.onInterrupt(() => {
          log.abandoned = true
          return reply.reset(6)
        }),
        Effect.ensuring(Effect.sync(() => void (responder.running = false)))
      )
    )
  }

  /** Takes an answer. */
  private answer(life: Life, stream: StreamLog, payload: Uint8Array): void {
    const { journal, responders } = this
    const sent = this.recognise(`${life.name}, on ${stream.name},`, payload)
    if (sent === undefined) return
    sent.received.push({ by: life, at: journal.step, connection: stream.connection })
    const log = responders.get(stream)?.log
    if (log === undefined || sent.stream !== log) {
      return void journal.violations.push(`${stream.name} got message ${sent.id}, which is no answer to it`)
    }
    log.read.push({ id: sent.id, by: life, connection: stream.connection })
  }
}
