/** Connections as such: many, or many one after the other. */
import { paced, sleep } from "../kit/pace.mjs"
import { connect } from "../kit/peer.mjs"
import * as ports from "../kit/port.mjs"

/** Handshakes that are under way at once. */
const atOnce = 32

/** `perHost` connections from each of `count` addresses. They answer the node's pings, and say nothing. */
const silent = async ({ hosts, node, seconds }, count, perHost) => {
  const from = await Promise.all(Array.from({ length: count }, (_, i) => ports.open(hosts(i))))
  const peers = []
  const facts = { "connections at once": 0, refused: 0 }
  let next = 0
  // A slow machine makes fewer of them.
  const end = performance.now() + seconds * 12_000
  const worker = async () => {
    while (next < count * perHost && performance.now() < end) {
      const port = from[next++ % count]
      try {
        peers.push(await connect(node, { port, honest: true, keyLog: false }))
        facts["connections at once"] += 1
      } catch {
        facts.refused += 1
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  await sleep(seconds * 1_000)
  facts.closed = peers.filter(({ native }) => native.isClosed()).length
  for (const peer of peers) peer.vanish()
  return facts
}

/** Dials and closes, again and again. */
const churn = async ({ hosts, node, seconds }) => {
  const port = await ports.open(hosts(0))
  const end = performance.now() + seconds * 1_000
  let connections = 0
  const worker = async () => {
    while (performance.now() < end) {
      const peer = await connect(node, { port, honest: true, keyLog: false }).catch(() => undefined)
      if (peer === undefined) await sleep(20)
      else {
        connections += 1
        peer.leave()
        peer.vanish()
      }
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  return { connections }
}

/** Dials, forges one byte of a stream, and vanishes: the node keeps what it has. */
const vanishing = async ({ hosts, node, seconds }) => {
  const from = await Promise.all(Array.from({ length: 4 }, (_, i) => ports.open(hosts(i))))
  const connections = await paced(seconds, 150, async (i) => {
    const peer = await connect(node, { port: from[i % 4], honest: true, keyLog: false }).catch(() => undefined)
    peer?.native.streamSend(2, Buffer.of(0), false)
    peer?.flush()
    peer?.vanish()
  })
  return { connections }
}

export const attacks = {
  "connections that say nothing": { run: (context) => silent(context, 10, 1_000) },
  churn: { run: churn },
  "peers that vanish": { run: vanishing }
}
