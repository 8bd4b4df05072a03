/** Packets whose source address is another's. */
import * as frames from "../kit/frames.mjs"
import * as keys from "../kit/keys.mjs"
import { Opener } from "../kit/open.mjs"
import { paced, sleep } from "../kit/pace.mjs"
import { connect, dial } from "../kit/peer.mjs"
import * as ports from "../kit/port.mjs"
import * as spoofer from "../kit/spoofer.mjs"
import * as wire from "../kit/wire.mjs"

const overheard = "messages to the honest peer that the attacker heard"
const perByte = "bytes at the victim for each byte sent"

/** Runs an attack with the helper, a host that takes part in nothing, and what arrives there. */
const at = (attack) => async (context) => {
  const helper = spoofer.start()
  const port = await ports.open(context.victim)
  const victim = { host: context.victim, port: port.number }
  const facts = await attack({ ...context, victim, as: (from, packet) => helper.send(from, context.node, packet) })
  // What was sent before the forged packets came from the attacker's own address.
  await sleep(1_000)
  helper.stop()
  return { ...facts, "bytes at the victim": port.heard.bytes, [perByte]: port.heard.bytes / Math.max(1, helper.sent()) }
}

/** A number above those of all packets that the node will send. */
const everything = 2 ** 24

const openWindows = (ids) =>
  Buffer.concat([frames.maxData(2 ** 40), ...ids.map((id) => frames.maxStreamData(id, 2 ** 40))])

/** Asks for 200 MB, moves to the victim, and acknowledges what it cannot have heard. */
const amplify = at(async ({ as, hosts, node, seconds, victim }) => {
  const peer = await connect(node, { host: hosts(0) })
  const ids = Array.from({ length: 4 }, (_, i) => 4 * i)
  as(victim, peer.seal(frames.ping))
  as(victim, peer.seal(openWindows(ids)))
  for (const id of ids) as(victim, peer.seal(frames.stream(id, 0, wire.download(50_000_000), true)))
  const acks = await paced(seconds, 500, (i) =>
    as(victim, peer.seal(Buffer.concat([frames.ackAll(i < 5 ? 200 : Math.min(everything, 200 * i)), frames.ping])))
  )
  return { acks }
})

/** Acknowledges what arrives at the own address, in packets from there, and lists the numbers that do not arrive. */
const acknowledging = (peer, send) => {
  const opener = new Opener(keys.fromKeyLog(peer.keyLog, "SERVER_TRAFFIC_SECRET_0"))
  const state = { next: 0, missing: [] }
  let from
  peer.onForged = (bytes) => {
    if (opener.short(bytes) === undefined) return
    const { number } = opener
    for (; state.next < number; state.next++) state.missing.push(state.next)
    state.next = Math.max(state.next, number + 1)
    from ??= number
    if (number - from < 7) return
    // Those between are missing, and an honest peer would not claim them.
    if (!state.missing.some((each) => each >= from)) send(frames.ack(from, number))
    from = undefined
  }
  return state
}

/**
 * Has a stream sent to its own address, acknowledges what arrives there, and says all the time that it is at the victim's.
 */
const divert = at(async ({ as, hosts, node, seconds, victim }) => {
  const peer = await connect(node, { host: hosts(0) })
  acknowledging(peer, (acks) => peer.send(acks))
  for (const id of [0, 4]) {
    peer.send(openWindows([id]))
    peer.send(frames.stream(id, 0, wire.download(50_000_000), true))
  }
  const claims = await paced(seconds, 200, () => as(victim, peer.seal(frames.ping)))
  return { claims, megabytesHeard: peer.bytesHeard / 2 ** 20 }
})

/** Says that it is at the victim's address, and guesses which of the numbers that it never saw have left for there. */
const guess = at(async ({ as, hosts, node, seconds, victim }) => {
  let guesses = 0
  const dials = await paced(seconds, 20, async (i) => {
    const peer = await connect(node, { host: hosts(i % 40) })
    const state = acknowledging(peer, () => {})
    for (let n = 0; n < 6; n++) as(victim, peer.seal(frames.ping))
    await sleep(50)
    // A packet at the own address shows which numbers were skipped.
    peer.send(frames.stream(0, 0, wire.question("where are we"), true))
    await sleep(100)
    for (let n = 0; n + 16 <= state.missing.length; n += 16) {
      const number = state.missing[n + Math.floor(16 * Math.random())]
      as(victim, peer.seal(frames.ack(number, number)))
      guesses += 1
    }
    as(victim, peer.seal(Buffer.concat([openWindows([4]), frames.stream(4, 0, wire.download(50_000_000), true)])))
    await sleep(300)
    peer.vanish()
  })
  return { dials, guesses }
})

/** Invents acknowledgements from the own address. */
const inventAcks = async ({ hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0) })
  const ids = Array.from({ length: 4 }, (_, i) => 4 * i)
  peer.send(openWindows(ids))
  for (const id of ids) peer.send(frames.stream(id, 0, wire.download(50_000_000), true))
  await paced(seconds, 500, (i) =>
    peer.send(Buffer.concat([frames.ackAll(Math.min(everything, 200 * i)), frames.ping]))
  )
  return { megabytesHeard: peer.bytesHeard / 2 ** 20 }
}

/** Moves to the honest peer's address and speaks there. With an id of zeros it would count as the oldest. */
const impersonate = (scid) =>
  at(async ({ as, honest, hosts, node, seconds }) => {
    const peer = await connect(node, { host: hosts(0), ...(scid === undefined ? {} : { scid }) })
    const messages = await paced(seconds, 20, (i) =>
      as(honest, peer.seal(frames.stream(2 + 4 * i, 0, wire.message(Buffer.from("i am attacker")), true)))
    )
    return { messages }
  })

/** The frame header and the text of what the node pushes to the honest peer. */
const pushed = /\0\x01\0{3}[\x01-\x04]\0{3}\d/u

/**
 * Goes to and fro between the honest peer's address and its own, with an id that counts as the oldest: what the node
 * sends to the honest peer in the meantime is sent again to the attacker.
 */
const overhear = at(async ({ as, honest, hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0), scid: Buffer.alloc(20) })
  const opener = new Opener(keys.fromKeyLog(peer.keyLog, "SERVER_TRAFFIC_SECRET_0"))
  const facts = { [overheard]: 0 }
  peer.onForged = (bytes) => {
    if (!pushed.test(opener.short(bytes)?.toString("latin1") ?? "")) return
    facts[overheard] += 1
    peer.send(frames.ackAll(everything))
  }
  await paced(Math.max(seconds, 8), 4, async () => {
    as(honest, peer.seal(frames.ping))
    await sleep(300)
    // What has left for the other address meanwhile is not acknowledged, and so is sent again.
    peer.send(frames.ping)
    await sleep(700)
  })
  return facts
})

/** Moves to a stranger, and has the stranger verified. */
const verifyStranger = at(async ({ as, hosts, node, seconds, victim }) => {
  const peer = await connect(node, { host: hosts(0) })
  as(victim, peer.seal(frames.ping))
  const question = wire.verificationQuestion(victim.host, victim.port)
  const questions = await paced(seconds, 4, (i) => as(victim, peer.seal(frames.stream(4 * i, 0, question, true))))
  return { questions }
})

/** Has a port of its own IP address verified, where somebody else may be, again and again. */
const verifyNeighbour = async ({ hosts, node, seconds }) => {
  const neighbour = await ports.open(hosts(0))
  const question = wire.verificationQuestion(neighbour.host, neighbour.number)
  let sent = 0
  const ask = async () => {
    const port = await ports.open(hosts(0))
    const { send } = port
    port.send = (packet, to) => {
      sent += packet.length
      send(packet, to)
    }
    const peer = await connect(node, { port })
    for (let i = 0; i < 8; i++) {
      peer.send(frames.stream(4 * i, 0, question, true))
      await sleep(250)
    }
    // The dials of one connection are over before the next one asks.
    await sleep(4_000)
    peer.vanish()
  }
  const until = performance.now() + 1_000 * seconds
  do await ask()
  while (performance.now() < until)
  await sleep(1_000)
  return { "bytes at the victim": neighbour.heard.bytes, [perByte]: neighbour.heard.bytes / sent }
}

/** Sends first flights in the victim's name. */
const reflect = at(async ({ as, hosts, node, seconds, victim }) => {
  const port = await ports.open(hosts(0))
  const dials = await paced(seconds, 200, async () => {
    const own = port.send
    port.send = (packet) => as(victim, Buffer.from(packet))
    const peer = await dial(node, { port, keyLog: false })
    port.send = own
    peer.vanish()
  })
  return { dials }
})

const spoofed = (run, bounds = {}) => ({ run, needs: "spoofing", bounds })

export const attacks = {
  "a stream for a victim by invented acknowledgements": spoofed(amplify, { [perByte]: 3 }),
  "a stream for oneself, and a claim to be elsewhere": spoofed(divert, { [perByte]: 3 }),
  "guessed acknowledgements for a victim": spoofed(guess, { [perByte]: 3 }),
  "invented acknowledgements": { run: inventAcks },
  "a peer at another's address": spoofed(impersonate(), { "messages in another's name": 0 }),
  "a peer at another's address, with the oldest id": spoofed(impersonate(Buffer.alloc(20)), {
    "messages in another's name": 0
  }),
  "to and fro between another's address and the own": spoofed(overhear, { [overheard]: 0 }),
  "a stranger to be verified": spoofed(verifyStranger, { [perByte]: 3 }),
  "a neighbour to be verified": { run: verifyNeighbour, bounds: { [perByte]: 3 } },
  "first flights in a victim's name": spoofed(reflect, { [perByte]: 3 })
}
