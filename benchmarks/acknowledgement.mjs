/**
 * Two ways to ask the binding whether the peer has acknowledged all of a one-way stream that we opened:
 * `streamFinished(id)`, and an empty `streamSend(id, empty, true)` that answers null once the stream was collected.
 * This checks, with a tenth of all packets lost both ways, that neither says yes too early or never, and shows what
 * each costs and what it puts on the wire.
 *
 *     node acknowledgement.mjs
 */
import { finishedByProbe, openBaseline } from "./baseline.mjs"
import { payloadOf } from "./workloads.mjs"

const finished = (connection, id) => connection.streamFinished(id)
const ways = [
  { name: "streamFinished", isFinished: finished },
  { name: "streamSend probe", isFinished: finishedByProbe }
]

/** The same losses each time (mulberry32). */
const losing = (share, seed) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296 < share
  }
}

/** Carries the streams and counts those confirmed before the receiver had them whole. */
const trial = async (isFinished, size, streams, share) => {
  let asked = 0
  let early = 0
  let confirmed = 0
  const has = new Set()
  const lose = losing(share, 7)
  let armed = false
  const baseline = await openBaseline({
    lose: () => armed && lose(),
    isFinished: (connection, id) => (asked++, isFinished(connection, id))
  })
  armed = true
  const before = baseline.stats().client
  const running = baseline.run({ size, inFlight: 32 }, streams, {
    onReceived: (id) => has.add(id),
    onConfirmed: (id) => (has.has(id) ? confirmed++ : early++)
  })
  let timer
  const late = new Promise((resolve) => (timer = setTimeout(resolve, 120_000, undefined)))
  const seconds = await Promise.race([running, late])
  clearTimeout(timer)
  const after = baseline.stats().client
  await baseline.close()
  return { seconds, asked, early, confirmed, sent: after.sent - before.sent, bytes: after.sentBytes - before.sentBytes }
}

for (const share of [0, 0.1]) {
  for (const [size, streams] of [
    [1024, 2000],
    [20 * 1024, 500]
  ]) {
    for (const { name, isFinished } of ways) {
      const { asked, early, confirmed, seconds, sent, bytes } = await trial(isFinished, size, streams, share)
      console.log(
        `${(share * 100).toFixed(0).padStart(2)} % lost  ${String(size).padStart(5)} B  ${name.padEnd(16)}  ` +
          `${confirmed} of ${streams} confirmed, ${early} too early, asked ${asked} times; ` +
          `${sent} packets, ${bytes} bytes sent; ` +
          (seconds === undefined ? "not done in 120 s" : `${seconds.toFixed(2)} s`)
      )
    }
  }
}

/** Asks about streams whose bytes are on the way, and about streams that are done. */
const cost = async () => {
  const baseline = await openBaseline()
  const { client, server } = baseline.ends
  await baseline.run({ size: 64, inFlight: 32 }, 200)
  server.readStream = () => {}
  const open = []
  for (let id = 2 + 200 * 4; open.length < 8; id += 4) {
    client.connection.streamSend(id, payloadOf(64), true)
    open.push(id)
  }
  const closed = open.map((_, index) => 2 + index * 4)
  const rounds = 200_000
  const time = (ask, ids) => {
    for (let i = 0; i < 20_000; i++) ask(client.connection, ids[i & 7])
    const begin = performance.now()
    for (let i = 0; i < rounds; i++) ask(client.connection, ids[i & 7])
    return ((performance.now() - begin) * 1e6) / rounds
  }
  for (const { name, isFinished } of ways) {
    const pending = time(isFinished, open)
    const done = time(isFinished, closed)
    console.log(
      `${name.padEnd(16)}  ${pending.toFixed(0)} ns while unacknowledged, ${done.toFixed(0)} ns when collected`
    )
  }
  await baseline.close()
}

await cost()
