/**
 * What the QUIC binding gives when nothing stands between it and the socket: a loop over `native.quiche` and
 * `node:dgram`, both ends in this process, a stream per message, each message confirmed to the sender by QUIC
 * acknowledgement. It is what the library is measured against.
 *
 *     node baseline.mjs [--quick]
 */
import { webcrypto } from "node:crypto"
import * as dgram from "node:dgram"
import { pathToFileURL } from "node:url"
import { quiche, x509 } from "./dependencies.mjs"
import { checkFrame, frameOf, headerLength, median, packetSize, payloadOf, workloads } from "./workloads.mjs"

const host = "127.0.0.1"
const windowBytes = 1 << 20
const empty = new Uint8Array(0)

const certificate = async () => {
  x509.cryptoProvider.set(webcrypto)
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  const self = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=qp2p",
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    signingAlgorithm: algorithm,
    keys
  })
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY")
  return { key: Buffer.from(key), cert: Buffer.from(self.toString("pem")) }
}

const configOf = ({ key, cert }, payload) => {
  const config = quiche.Config.withBoringSslCtx(true, true, null, [key], [cert], null)
  config.setApplicationProtos(["qp2p/1"])
  config.grease(false)
  config.setMaxIdleTimeout(60_000)
  config.setMaxRecvUdpPayloadSize(payload)
  config.setMaxSendUdpPayloadSize(payload)
  config.setInitialMaxData(windowBytes)
  config.setInitialMaxStreamDataBidiLocal(windowBytes)
  config.setInitialMaxStreamDataBidiRemote(windowBytes)
  config.setInitialMaxStreamDataUni(windowBytes)
  config.setInitialMaxStreamsBidi(1000)
  config.setInitialMaxStreamsUni(1000)
  config.setDisableActiveMigration(true)
  return config
}

/** Has the peer acknowledged all of a stream that we opened one way, fin included? See acknowledgement.mjs. */
const finished = (connection, id) => connection.streamFinished(id)

/**
 * The same question as `streamSend` answers it: null once the stream was collected. Each time it is asked it
 * queues another empty fin.
 */
export const finishedByProbe = (connection, id) => connection.streamSend(id, empty, true) === null

/** One UDP socket and one connection on it. */
export class End {
  connection = undefined
  known = new Set()
  scheduled = false
  turnNow = () => this.turn()
  expireNow = () => this.expire()
  timer = undefined
  deadline = Infinity
  closed = false
  onTurn = () => {}
  onMessage = () => {}
  partial = new Map()
  scratch = Buffer.allocUnsafe(1 << 17)
  // Sent slots go round; one is reused long after the kernel has taken it.
  ring = Buffer.allocUnsafeSlow(2048 * 2048)
  slot = 0

  constructor(socket, config, options) {
    this.socket = socket
    this.config = config
    this.slots = (this.ring.length / options.payload) | 0
    this.payload = options.payload
    this.lose = options.lose
    socket.on("message", (packet, from) => this.onPacket(packet, from))
  }

  static async open(config, options) {
    const socket = dgram.createSocket({ type: "udp4", lookup: (name, _options, callback) => callback(null, name, 4) })
    await new Promise((resolve, reject) => {
      socket.once("error", reject)
      socket.bind(0, host, resolve)
    })
    socket.setRecvBufferSize(4 << 20)
    socket.setSendBufferSize(4 << 20)
    return new End(socket, config, options)
  }

  get address() {
    return { host, port: this.socket.address().port }
  }

  /** `from` and `to` stay those of the first packet: see the rule on pinning in the library's transport. */
  adopt(connection, peer) {
    this.connection = connection
    this.peerPort = peer.port
    this.pinned = { from: { host: peer.host, port: peer.port }, to: this.address }
  }

  dial(peer) {
    const id = Buffer.from(webcrypto.getRandomValues(new Uint8Array(20)))
    this.known.add(id.latin1Slice())
    this.adopt(quiche.Connection.connect(null, id, this.address, peer, this.config), peer)
    this.schedule()
  }

  accept(packet, from) {
    if (packet.length < 1200 || (packet[0] & 0xb0) !== 0x80 || packet.readUInt32BE(1) !== 1) return false
    const id = Buffer.from(webcrypto.getRandomValues(new Uint8Array(20)))
    this.known.add(id.latin1Slice())
    this.known.add(packet.latin1Slice(6, 6 + packet[5]))
    const peer = { host: from.address, port: from.port }
    this.adopt(quiche.Connection.accept(id, null, this.address, peer, this.config), peer)
    return true
  }

  onPacket(packet, from) {
    if (this.lose()) return
    const long = (packet[0] & 0x80) !== 0
    const id = long ? packet.latin1Slice(6, 6 + packet[5]) : packet.latin1Slice(1, 21)
    if (!this.known.has(id) && (this.connection !== undefined || !long || !this.accept(packet, from))) return
    try {
      this.connection.recv(packet, this.pinned)
    } catch {
      // A packet that does not decrypt is dropped; what is fatal shows in localError.
      if (this.connection.localError() !== null) throw new Error("connection lost")
    }
    this.schedule()
  }

  schedule() {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.turnNow)
  }

  turn() {
    this.scheduled = false
    if (this.closed) return
    this.read()
    this.onTurn()
    this.flush()
  }

  read() {
    const connection = this.connection
    while (connection.isReadable()) {
      for (const id of connection.readable()) this.readStream(connection, id)
    }
  }

  readStream(connection, id) {
    const scratch = this.scratch
    for (;;) {
      const result = connection.streamRecv(id, scratch)
      if (result === null) return
      const [length, fin] = result
      let parts = this.partial.get(id)
      if (parts === undefined && fin) return this.deliver(id, scratch, length)
      if (parts === undefined) this.partial.set(id, (parts = { chunks: [], length: 0 }))
      parts.chunks.push(Buffer.from(scratch.subarray(0, length)))
      parts.length += length
      if (fin) {
        this.partial.delete(id)
        return this.deliver(id, Buffer.concat(parts.chunks, parts.length), parts.length)
      }
    }
  }

  deliver(id, frame, length) {
    checkFrame(frame, length)
    // A frame in `scratch` is copied out; a reassembled one is ours already.
    this.onMessage(
      frame === this.scratch
        ? Uint8Array.prototype.slice.call(frame, headerLength, length)
        : frame.subarray(headerLength, length),
      id
    )
  }

  flush() {
    const { connection, socket, ring, payload } = this
    for (;;) {
      const start = this.slot * payload
      const sent = connection.send(ring.subarray(start, start + payload))
      if (sent === null) break
      this.slot = (this.slot + 1) % this.slots
      socket.send(ring, start, sent[0], this.peerPort, host)
    }
    this.arm()
  }

  /** One timer, moved only when it would fire too late. */
  arm() {
    const timeout = this.connection.timeout()
    if (timeout === null) return
    const at = performance.now() + timeout + 1
    if (at >= this.deadline) return
    clearTimeout(this.timer)
    this.deadline = at
    this.timer = setTimeout(this.expireNow, timeout + 1)
  }

  expire() {
    this.deadline = Infinity
    if (this.closed) return
    if (this.connection.timeout() === 0) this.connection.onTimeout()
    this.turn()
  }

  close() {
    this.closed = true
    clearTimeout(this.timer)
    return new Promise((resolve) => this.socket.close(resolve))
  }
}

/**
 * Opens both ends and completes the handshake. `run` carries `count` messages of `size` bytes, `inFlight` at a time,
 * and resolves to the seconds it took until the last one was confirmed.
 */
export const openBaseline = async (options = {}) => {
  const { payload = packetSize, lose = () => false, isFinished = finished } = options
  const config = configOf(await certificate(), payload)
  const [client, server] = await Promise.all([End.open(config, { payload, lose }), End.open(config, { payload, lose })])
  await new Promise((resolve) => {
    client.onTurn = () => client.connection.isEstablished() && server.connection?.isEstablished() && resolve()
    server.onTurn = client.onTurn
    client.dial(server.address)
  })
  server.onTurn = () => {}
  let nextStream = 2

  const run = (workload, count, { onReceived = () => {}, onConfirmed = () => {} } = {}) =>
    new Promise((resolve) => {
      const body = payloadOf(workload.size)
      const flying = []
      let started = 0
      let confirmed = 0
      let received = 0
      const begin = performance.now()
      server.onMessage = (message, id) => {
        if (message.length !== workload.size) throw new Error(`${message.length} bytes came of ${workload.size}`)
        received++
        onReceived(id)
      }

      /** The end of a stream goes with its last bytes, never alone. */
      const write = (stream) => {
        while (stream.frame !== undefined) {
          const rest = stream.offset === 0 ? stream.frame : stream.frame.subarray(stream.offset)
          const taken = client.connection.streamSend(stream.id, rest, true)
          if (taken === null) return
          stream.offset += taken
          if (stream.offset < stream.frame.length) return
          stream.frame = undefined
        }
      }

      client.onTurn = () => {
        const connection = client.connection
        let kept = 0
        for (const stream of flying) {
          if (stream.frame === undefined && isFinished(connection, stream.id)) {
            confirmed++
            onConfirmed(stream.id)
          } else {
            flying[kept++] = stream
          }
        }
        flying.length = kept
        if (confirmed === count) {
          client.onTurn = () => {}
          if (received !== count) throw new Error(`${received} received of ${count} confirmed`)
          return resolve((performance.now() - begin) / 1000)
        }
        for (const stream of flying) if (stream.frame !== undefined) write(stream)
        while (started < count && flying.length < workload.inFlight) {
          const stream = { id: nextStream, offset: 0, frame: frameOf(body) }
          nextStream += 4
          started++
          flying.push(stream)
          write(stream)
        }
      }
      client.schedule()
    })

  return {
    run,
    stats: () => ({ client: client.connection.stats(), server: server.connection.stats() }),
    ends: { client, server },
    close: () => Promise.all([client.close(), server.close()])
  }
}

const main = async () => {
  const quick = process.argv.includes("--quick")
  for (const workload of workloads) {
    const count = quick ? workload.quick : workload.messages
    const rates = []
    const baseline = await openBaseline()
    await baseline.run(workload, Math.ceil(count / 4))
    for (let i = 0; i < 5; i++) rates.push(count / (await baseline.run(workload, count)))
    const { client } = baseline.stats()
    await baseline.close()
    const rate = median(rates)
    console.log(
      `${workload.name.padEnd(22)} ${rate.toFixed(0).padStart(7)} messages/s  ` +
        `${((rate * workload.size) / 1e6).toFixed(1).padStart(6)} MB/s  ` +
        `(${rates.map((value) => value.toFixed(0)).join(" ")}; ${client.lost} of ${client.sent} packets lost)`
    )
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main()
