import assert from "node:assert/strict"
import dgram from "node:dgram"
import { once } from "node:events"
import net from "node:net"
import { test } from "node:test"
import type { Relay, RelayOptions } from "../src/network/relay.ts"
import { openRelay } from "../src/network/relay.ts"

/** A packet that is missing would be waited for. */
const limit = { timeout: 20_000 }

const none = { latency: 0, loss: 0, seed: 7 }

/** Sends `count` numbered packets through a relay to a socket that sends them back; the numbers that came there and here. */
const echoed = async (options: RelayOptions, count: number) => {
  const far = dgram.createSocket({ type: "udp4", recvBufferSize: 1 << 20 })
  const near = dgram.createSocket({ type: "udp4", recvBufferSize: 1 << 20 })
  far.bind(0, "127.0.0.1")
  await once(far, "listening")
  const relay = await openRelay(`127.0.0.1:${far.address().port}#key`, options)
  const [place = "", rest] = relay.address.split("#")
  assert.equal(rest, "key")
  const there: Array<number> = []
  const back: Array<{ readonly number: number; readonly after: number }> = []
  const sent: Array<number> = []
  let came = 0
  far.on("message", (data, from) => {
    there.push(data.readUInt32BE())
    far.send(data, from.port, from.address)
  })
  near.on("message", (data) => {
    const number = data.readUInt32BE()
    came = performance.now()
    back.push({ number, after: came - sent[number]! })
  })
  for (let number = 0; number < count; number++) {
    const packet = Buffer.alloc(100)
    packet.writeUInt32BE(number)
    sent.push(performance.now())
    near.send(packet, Number(place.split(":")[1]), "127.0.0.1")
    // A turn now and then: the buffers of the sockets are finite.
    if (number % 50 === 49) await new Promise(setImmediate)
  }
  const counts = await settled(relay, count)
  near.close()
  far.close()
  await relay.close()
  return { there, back, counts, took: came - sent[0]! }
}

/** Waits until everything has come through or was lost. */
const settled = async (relay: Relay, count: number) => {
  for (;;) {
    const counts = await relay.counts()
    const { there, back } = counts
    if (there.delivered + there.lost === count && back.delivered + back.lost === there.delivered) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return counts
    }
  }
}

void test("a UDP relay delivers everything, in order", limit, async () => {
  const { there, back } = await echoed({ ...none, carrier: "udp" }, 500)
  const all = Array.from({ length: 500 }, (_, number) => number)
  assert.deepEqual(there, all)
  assert.deepEqual(
    back.map(({ number }) => number),
    all
  )
})

void test("a UDP relay takes its time both ways, and as long as the rate demands", limit, async () => {
  const { back } = await echoed({ ...none, carrier: "udp", latency: 20 }, 10)
  assert.ok(back.every(({ after }) => after >= 40))
  const narrow = await echoed({ ...none, carrier: "udp", rate: 10_000 }, 10)
  // Ten packets of 100 bytes at 10,000 bytes a second: the last has left after 100 ms, and comes back 10 ms later.
  assert.ok(narrow.took >= 110)
})

void test("a UDP relay loses what the seed says", limit, async () => {
  const options = { ...none, carrier: "udp", loss: 0.1 } as const
  const first = await echoed(options, 2_000)
  const second = await echoed(options, 2_000)
  assert.deepEqual(first.there, second.there)
  assert.deepEqual(first.counts.there, second.counts.there)
  assert.equal(first.there.length, first.counts.there.delivered)
  assert.ok(first.counts.there.lost > 140 && first.counts.there.lost < 260)
  const other = await echoed({ ...options, seed: 8 }, 2_000)
  assert.notDeepEqual(other.there, first.there)
})

/** What comes back of `data` through a relay to a server that sends back what it gets, and how long that took. */
const overTcp = async (data: Buffer, options: RelayOptions) => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as net.AddressInfo
  const relay = await openRelay(`127.0.0.1:${port}`, options)
  const begun = performance.now()
  const socket = net.connect({ port: Number(relay.address.split(":")[1]), host: "127.0.0.1" })
  socket.end(data)
  const echo = Buffer.concat(await socket.toArray())
  const after = performance.now() - begun
  const counts = await relay.counts()
  await relay.close()
  server.close()
  return { echo, after, counts }
}

void test("a TCP relay carries streams and their ends, and loses nothing", limit, async () => {
  const data = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => i * 31))
  const { echo, counts } = await overTcp(data, { ...none, carrier: "tcp", loss: 0.5 })
  assert.ok(echo.equals(data))
  assert.equal(counts.there.bytes, data.length)
  assert.equal(counts.back.bytes, data.length)
})

void test("a TCP relay takes its time: a round trip to connect, and one for the answer", limit, async () => {
  const { after } = await overTcp(Buffer.from("hello"), { ...none, carrier: "tcp", latency: 100 })
  assert.ok(after >= 400)
})

void test("a relay refuses what it cannot reach", limit, async () => {
  await assert.rejects(openRelay("203.0.113.5:80", { ...none, carrier: "udp" }))
})
