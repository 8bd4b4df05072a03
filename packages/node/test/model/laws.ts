/**
 * What holds whatever a program does. See docs/guarantees.md; each law says which promise it is about.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { ConnectionId } from "@qp2p/core/ConnectionId"
import { type End, type Life, type Operation, pairOf, type Sent, type StreamLog } from "./journal.ts"
import { handlersEnd } from "./calls.ts"
import type { World } from "./world.ts"

type Say = (violation: string) => void

type Law = (world: World, say: Say) => void

/** What is not as it should be. */
const check = (world: World, laws: ReadonlyArray<Law>): ReadonlyArray<string> => {
  const violations = [...world.journal.violations]
  for (const law of laws) law(world, (violation) => violations.push(violation))
  return violations
}

/** To be asked after each step, once nothing is left to happen. */
export const checkStep = (world: World): ReadonlyArray<string> => check(world, always)

/** To be asked when the network is whole again, everybody reads, and everything has had its time. */
export const checkRest = (world: World): ReadonlyArray<string> =>
  check(world, [...always, everythingEnds, handlersEnd, nothingIsLost, streamsAreWhole, bothSidesAgree])

/** To be asked when every endpoint is closed. */
export const checkClosed = (world: World): ReadonlyArray<string> =>
  check(world, [...always, everythingEnds, nothingIsLeft])

/** A failure's tag; that of the connection where the connection failed. */
export const failureOf = (exit: Exit.Exit<unknown, unknown> | undefined): string | undefined => {
  if (exit === undefined || Exit.isSuccess(exit)) return undefined
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause) as { readonly _tag?: string; readonly reason?: { readonly _tag: string } }
  if (!exit.cause.reasons.every(Cause.isFailReason)) return `defect ${Cause.pretty(exit.cause)}`
  return error._tag === "ConnectionLost" || error._tag === "StreamLost" ? error.reason!._tag : error._tag
}

const isDone = ({ exit }: Operation): boolean => exit !== undefined && Exit.isSuccess(exit)

// --- delivery -----------------------------------------------------------------------------------------------------

/** No message arrives more often than its manner of sending allows, nor on one connection twice. */
const received = ({ journal }: World, say: Say): void => {
  for (const sent of journal.sent) {
    const times = sent.received.length
    if (times < 2) continue
    if (new Set(sent.received.map(({ by, connection }) => `${by.name} ${connection}`)).size < times) {
      say(`${nameOf(sent)} has arrived ${times} times, on the same connection more than once`)
    }
    const tries = sent.manner.startsWith("sendMessage") ? 1 + lossesDuring(sent).length : 1
    const most = sent.manner === "sendMessageOnce" ? Math.min(tries, 2) : tries
    if (times > most) say(`${nameOf(sent)} has arrived ${times} times, and was sent no more than ${most}`)
  }
}

/** A datagram arrives once at most, and only if the connection took it. */
const datagramsArriveOnce = ({ journal }: World, say: Say): void => {
  for (const { from, id, isTaken, received: by } of journal.datagrams) {
    if (by.length > 1) say(`datagram ${id} of ${from.name} has arrived ${by.length} times`)
    if (by.length > 0 && !isTaken) say(`datagram ${id} of ${from.name} was refused, and has arrived`)
  }
}

/** The connections with the receiver that the sender lost while it sent. */
const lossesDuring = ({ from, operation, to }: Sent): ReadonlyArray<End> => lost(from, to, operation)

const lost = (life: Life, to: number, { endedAt, startedAt }: Operation): ReadonlyArray<End> =>
  life.ends.filter(
    (end) => end.closed !== undefined && slotIn(end) === to && end.closedAt >= startedAt && end.closedAt <= endedAt
  )

const slotIn = ({ peer }: { readonly peer: string }): number => Number(/(\d+):\d+$/u.exec(peer)![1]) - 1

/** What was confirmed has arrived, unless the receiver ended before its application got round to it. */
const nothingIsLost = (world: World, say: Say): void => {
  for (const sent of world.journal.sent) {
    if (sent.stream !== undefined || !isDone(sent.operation) || sent.received.length > 0) continue
    const { endedAt, startedAt } = sent.operation
    if (!mayHaveDropped(world, sent.to, sent.from.slot, startedAt, endedAt))
      say(`${nameOf(sent)} was confirmed, and is lost`)
  }
}

/**
 * Whether an endpoint at `slot` may have dropped what it had confirmed between two steps: its application was not
 * reading when it ended, or when it closed the connection.
 */
const mayHaveDropped = ({ journal, rig }: World, slot: number, sender: number, from: number, to: number): boolean =>
  journal.lives.some((life) => {
    if (life.slot !== slot || life.startedAt > to || life.endedAt < from) return false
    const behind = (step: number) => {
      const then = journal.trouble[step]
      return !rig.exact || then === undefined || then.silent.has(slot) || then.rushed
    }
    if (life.end !== undefined && behind(life.endedAt)) return true
    return life.ends.some(
      (end) =>
        slotIn(end) === sender && end.closed?._tag === "LocallyClosed" && end.closedAt >= from && behind(end.closedAt)
    )
  })

/** What comes out of a stream is what was written to it, in order, from the beginning, to one reader. */
const inOrder = ({ journal }: World, say: Say): void => {
  for (const stream of journal.streams) {
    const { name, read, written } = stream
    if (read.some(({ id }, i) => id !== written[i])) {
      say(`${name} brought ${read.map(({ id }) => id).join(", ")} of ${written.join(", ")}`)
    }
    if (new Set(read.map(({ by, connection }) => `${by.name} ${connection}`)).size > 1)
      say(`${name} was read at two ends`)
  }
}

/** All of a stream arrives that was finished, or whose connection lives on. */
const streamsAreWhole = (world: World, say: Say): void => {
  for (const stream of world.journal.streams) {
    const { finishedAt, name, read, startedAt, to, written } = stream
    if (read.length === written.length) continue
    if (finishedAt === undefined ? stream.abandoned || !livesOn(world, stream) : stream.abandoned) continue
    if (stream.answered !== undefined && wasClosedBy(stream.answered.from, stream.answered.connection)) continue
    const until = finishedAt ?? world.journal.step
    if (mayHaveDropped(world, to, stream.from.slot, startedAt, until)) continue
    say(
      `${name} brought ${read.length} of ${written.length} messages, though ${finishedAt === undefined ? "its connection lives" : "it was finished"}`
    )
  }
}

/** Whoever closes a connection has no answers any more that were not yet taken. */
const wasClosedBy = (life: Life, connection: ConnectionId): boolean =>
  life.ends.some(({ closed, id }) => id === connection && closed?._tag === "LocallyClosed")

const livesOn = (world: World, { connection, from, to }: StreamLog): boolean => {
  const near = openOf(from).find(({ id }) => id === connection)
  const peer = world.at(to)
  return near !== undefined && peer !== undefined && openOf(peer).some(({ seniority }) => seniority === near.seniority)
}

// --- failures -----------------------------------------------------------------------------------------------------

/** Whatever fails has a reason that was there at the time. */
const failuresHaveReasons = (world: World, say: Say): void => {
  for (const operation of world.journal.operations) {
    const failure = failureOf(operation.exit)
    if (failure === undefined || operation.by.end === "crashed") continue
    // Those before have been looked at.
    if (world.rig.exact && operation.endedAt < world.journal.step - 1) continue
    if (failure.startsWith("defect")) say(`${operation.name} ends with a ${failure}`)
    else if (failure === "interrupted") {
      if (!operation.interrupted) say(`${operation.name} was interrupted by nobody`)
    } else if (world.rig.exact && !hasReason(world, operation, failure))
      say(`${operation.name} fails with ${failure} for no reason`)
  }
}

const hasReason = (world: World, operation: Operation, failure: string): boolean => {
  const { by, endedAt, name, peer } = operation
  // It may have joined a dial that was under way.
  const startedAt = by.dials.reduce(
    (first, dial) =>
      slotIn(dial) === peer && dial.endedAt >= operation.startedAt ? Math.min(first, dial.startedAt) : first,
    operation.startedAt
  )
  if (by.end !== undefined && by.endedAt >= startedAt && by.endedAt <= endedAt) return true
  const steps = world.journal.during(startedAt, endedAt)
  const pair = pairOf(by.slot, peer)
  const losses = lost(by, peer, operation).length
  // Whoever is in such a hurry may ask for what has just gone.
  const asked = /^(\w+)/u.exec(name)![1]
  if (failure === "NotConnected") return openAt(by, peer, operation.startedAt).length === 0 || losses > 0
  if (failure === "EndpointStopped") return false
  if (asked === "askNobody" && failure === "ProtocolRefused") return true
  // Whoever asks may stop listening. A peer that ends serves nothing any more.
  const isCall = asked?.startsWith("ask") === true
  if (isCall && ["ProtocolRefused", "StreamReset"].includes(failure)) return steps.some(({ down }) => down.has(peer))
  if (failure === "StreamStopped" || failure === "StreamReset")
    return world.journal.streams.some((stream) => stream.name === name && stream.abandoned)
  const unreachable =
    steps.some(({ cut, down, silent }) => down.has(peer) || cut.has(pair) || silent.has(peer)) ||
    lost(by, peer, operation).some(isOverload)
  const broken = steps.reduce((sum, each) => sum + each.broken.filter((other) => other === pair).length, 0)
  switch (asked) {
    case "sendMessage":
    case "connect":
      // Tried again: it takes more than one lost connection.
      return unreachable || Math.max(losses, broken) > 1
    case "sendMessageOnce":
      return unreachable || losses + broken > 0
    default:
      return losses > 0 || unreachable || broken > 0 || deadAt(by, peer, startedAt)
  }
}

/** The peer could not keep up with so many connections at once. */
const isOverload = ({ closed }: End): boolean => closed?._tag === "ApplicationClosed" && closed.code === 3

/** `trySendMessage` uses a connection that is there, or fails at once. */
const triesOnlyWhatIsThere = ({ journal }: World, say: Say): void => {
  for (const { by, exit, name, peer, startedAt } of journal.operations) {
    if (!name.startsWith("trySendMessage")) continue
    const there = by.ends.some(
      (end) => slotIn(end) === peer && end.openedAt <= startedAt && end.closedAt >= startedAt && !end.refused
    )
    if (!there && failureOf(exit) !== "NotConnected") say(`${name} does not fail with NotConnected: nothing was there`)
  }
}

/** Connections that were there when a step began, or were made in it. */
const openAt = (life: Life, peer: number, step: number): ReadonlyArray<End> =>
  life.ends.filter((end) => !end.refused && slotIn(end) === peer && end.openedAt < step && end.closedAt >= step)

/** Whether a connection with `peer` had ended already; the application may have kept it. */
const deadAt = (life: Life, peer: number, step: number): boolean =>
  life.ends.some((end) => slotIn(end) === peer && end.closedAt <= step)

/** With an endpoint everything ends that it was asked for. */
const closedEndsAll = (world: World, say: Say): void => {
  for (const { by, exit, name } of world.journal.operations) {
    if (exit === undefined && by.end !== undefined) say(`${name} goes on although ${by.name} has ${by.end}`)
  }
  for (const life of world.journal.lives) {
    if (life.end !== "closed") continue
    if (life.takers.some((taker) => failureOf(taker.pollUnsafe()) !== "EndpointStopped"))
      say(`${life.name} has closed, and its queues go on`)
    if (failureOf(life.reader?.pollUnsafe()) !== "EndpointStopped")
      say(`${life.name} has closed, and its messages go on`)
  }
}

/** Nothing waits for ever on a network that is whole. */
const everythingEnds = (world: World, say: Say): void => {
  for (const { name, startedAt } of world.pending) say(`${name}, of step ${startedAt}, does not end`)
}

// --- connections --------------------------------------------------------------------------------------------------

const openOf = (life: Life): ReadonlyArray<End> => life.ends.filter((end) => !end.refused && end.closed === undefined)

/**
 * Whether a connection may have been dialled only because another did not answer: then it is used, and told of, when
 * that turns out dead.
 */
const mayBeOnTrial = (life: Life, end: End): boolean =>
  end.dialled &&
  life.ends.some(
    (other) =>
      other !== end &&
      !other.refused &&
      other.peer === end.peer &&
      bySeniority(other, end) < 0 &&
      other.closedAt >= end.openedAt
  )

/** Every end of a connection that both sides have accepted is reported once, with its reason, and nothing else is. */
const eachEndIsReportedOnce = ({ journal }: World, say: Say): void => {
  for (const life of journal.lives) {
    if (life.end === "crashed") continue
    const expected = life.ends.filter((end) => !end.refused && end.accepted && end.closed !== undefined)
    const reported = new Map<ConnectionId, number>()
    for (const { id, peer, reason } of life.disconnections) {
      reported.set(id, (reported.get(id) ?? 0) + 1)
      const end = life.ends.find((each) => each.id === id)
      if (end === undefined || end.refused || !end.accepted || end.closed === undefined)
        say(`${life.name} reports the end of ${id}, which has none`)
      else if (end.closed._tag !== reason._tag)
        say(`${life.name} reports ${id} as ${reason._tag}, and it is ${end.closed._tag}`)
      else if (end.peer !== peer) say(`${life.name} reports ${id} as one with ${peer}, and it is with ${end.peer}`)
    }
    for (const end of expected) {
      const { closed, id } = end
      const times = reported.get(id) ?? 0
      if (times === 0 && closed!._tag === "LocallyClosed" && mayBeOnTrial(life, end)) continue
      if (times !== 1) say(`${life.name} reports the end of ${id} (${closed!._tag}) ${times} times`)
    }
  }
}

/** Every connection that a peer made is told of once; those that it made itself are not. */
const eachConnectionIsAnnounced = ({ journal }: World, say: Say): void => {
  for (const life of journal.lives) {
    if (life.end === "crashed") continue
    for (const end of life.ends) {
      const times = life.told.filter((id) => id === end.id).length
      const least = end.dialled || end.refused || end.closedAt === end.openedAt ? 0 : 1
      const most = end.dialled || end.refused ? 0 : 1
      if (times < least || times > most) say(`${life.name} tells of ${end.id} ${times} times`)
    }
  }
}

/** The pool has what is open, and uses the oldest. */
const poolsKnowWhatIsOpen = (world: World, say: Say): void => {
  for (const life of world.journal.lives) {
    if (life.end === "crashed") continue
    const open = openOf(life)
    const onTrial = open.filter((end) => mayBeOnTrial(life, end)).length
    if (life.pool.size() > open.length || life.pool.size() < open.length - onTrial)
      say(`the pool of ${life.name} has ${life.pool.size()} connections, and ${open.length} are open`)
    for (let slot = 0; slot < world.size; slot++) {
      const oldest = open.filter((end) => slotIn(end) === slot).toSorted(bySeniority)[0]
      const current = world.currentOf(life, slot)
      if (current !== oldest?.id) say(`${life.name} uses ${current} with ${slot}, and the oldest is ${oldest?.id}`)
    }
  }
}

/** Whoever wants to reach a peer that is being dialled joins that dial. */
const dialsAreShared = ({ journal }: World, say: Say): void => {
  for (const { dials, name } of journal.lives) {
    for (const { alongside, peer } of dials) {
      if (alongside > 0) say(`${name} dials ${peer} while it dials it already`)
    }
  }
}

const bySeniority = (one: End, other: End): number => ((one.seniority ?? "") < (other.seniority ?? "") ? -1 : 1)

/** Two endpoints that hear each other use the same connection. */
const bothSidesAgree = (world: World, say: Say): void => {
  const { living } = world
  for (const one of living) {
    for (const other of living) {
      if (one.slot >= other.slot) continue
      const seniority = (life: Life, slot: number) => {
        const id = world.currentOf(life, slot)
        return life.ends.find((end) => end.id === id)?.seniority
      }
      const [near, far] = [seniority(one, other.slot), seniority(other, one.slot)]
      if (near !== far) say(`${one.name} uses ${near} with ${other.name}, which uses ${far}`)
    }
  }
}

/** No end is left open, and no pool has anything. */
const nothingIsLeft = ({ journal }: World, say: Say): void => {
  for (const { ends, name, pool } of journal.lives) {
    for (const { closed, id } of ends) if (closed === undefined) say(`${id} has no end`)
    if (pool.size() > 0) say(`the pool of ${name} still has ${pool.size()} connections`)
  }
}

const nameOf = ({ from, id, manner, to }: Sent): string => `message ${id} (${manner} ${from.name} to ${to})`

const always: ReadonlyArray<Law> = [
  received,
  datagramsArriveOnce,
  inOrder,
  failuresHaveReasons,
  triesOnlyWhatIsThere,
  closedEndsAll,
  eachEndIsReportedOnce,
  eachConnectionIsAnnounced,
  poolsKnowWhatIsOpen,
  dialsAreShared
]
