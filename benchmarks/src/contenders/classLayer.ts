import { createHmac, randomBytes, randomFillSync, timingSafeEqual } from "node:crypto"
import Logger, { LogLevel } from "@matrixai/logger"
import { events, QUICClient, QUICServer, QUICSocket } from "@matrixai/quic"
import type { QUICConnection, QUICStream } from "@matrixai/quic"
import type { Contender, Link, Options } from "../contender.ts"
import { selfSigned } from "./certificate.ts"
import { checkAnswer, Counter, payloadOf, timed } from "./counting.ts"

interface Detail<A> {
  readonly detail: A
}

const host = "127.0.0.1"
const defaultPayload = 1350

/** It writes to stderr at every step unless told otherwise. */
const logger = new Logger("quiet", LogLevel.SILENT, [])

const crypto = {
  ops: {
    randomBytes: async (data: ArrayBuffer) => void randomFillSync(new Uint8Array(data))
  }
}

const sign = async (key: ArrayBuffer, data: ArrayBuffer): Promise<ArrayBuffer> => {
  const mac = createHmac("sha256", Buffer.from(key)).update(Buffer.from(data)).digest()
  return new Uint8Array(mac).buffer
}

/** It signs the tokens by which a dialler proves its address. */
const serverCrypto = {
  key: new Uint8Array(randomBytes(32)).buffer,
  ops: {
    sign,
    verify: async (key: ArrayBuffer, data: ArrayBuffer, signature: ArrayBuffer) =>
      timingSafeEqual(Buffer.from(await sign(key, data)), Buffer.from(signature))
  }
}

/** Its defaults allow 100 streams, and the one that is too many ends the connection; a small chunk makes long messages slow. */
const configOf = (options: Options) => ({
  maxIdleTimeout: 60_000,
  keepAliveIntervalTime: 20_000,
  maxSendUdpPayloadSize: options.maxUdpPayload ?? defaultPayload,
  initialMaxStreamsBidi: 4096,
  readableChunkSize: 64 << 10
})

const readAll = async (stream: QUICStream): Promise<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of stream.readable) chunks.push(chunk)
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

const marks = { message: 0, question: 1 } as const

const frameOf = (mark: number, body: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(1 + body.length)
  frame[0] = mark
  frame.set(body, 1)
  return frame
}

/** The end of the answering half of the stream says that the message is there. */
const answer = async (stream: QUICStream, counter: Counter): Promise<void> => {
  const frame = await readAll(stream)
  const body = frame.subarray(1)
  counter.take(body.length)
  const writer = stream.writable.getWriter()
  if (frame[0] === marks.question) await writer.write(body)
  await writer.close()
}

const exchange = async (connection: QUICConnection, mark: number, body: Uint8Array): Promise<Uint8Array> => {
  const stream = connection.newStream("bidi")
  const writer = stream.writable.getWriter()
  await writer.write(frameOf(mark, body))
  await writer.close()
  return readAll(stream)
}

const linkOf = (client: QUICClient, closed: () => Promise<void>): Link => ({
  messages: async ({ count, inFlight, size }) => {
    const body = payloadOf(size)
    let left = count
    const sendSome = async () => {
      while (left-- > 0) await exchange(client.connection, marks.message, body)
    }
    await Promise.all(Array.from({ length: Math.min(count, inFlight) }, sendSome))
  },
  requests: ({ count, size }) => {
    const question = payloadOf(size)
    return timed(count, async () => checkAnswer(await exchange(client.connection, marks.question, question), question))
  },
  close: async () => {
    await client.destroy({ force: true })
    await closed()
  }
})

const connect = async (
  address: string,
  options: Options,
  socket: QUICSocket,
  closed: () => Promise<void>
): Promise<Link> => {
  const [host = "", port] = address.split(":")
  const client = await QUICClient.createQUICClient({
    host,
    port: Number(port),
    socket,
    crypto,
    logger,
    config: { ...configOf(options), verifyPeer: false }
  })
  return linkOf(client, closed)
}

const openSocket = async (): Promise<QUICSocket> => {
  const socket = new QUICSocket({ logger })
  await socket.start({ host, port: 0 })
  return socket
}

/** The layer of classes that the binding's package puts on top of it. */
export const contender: Contender = {
  name: "class-layer",
  about:
    "QUICServer and QUICClient of @matrixai/quic 2.0.9, a bidirectional stream per message; confirmed by the end of its other half",
  carrier: "udp",
  overQuic: true,
  listen: async (options) => {
    const counter = new Counter()
    const { cert, key } = await selfSigned()
    const server = new QUICServer({
      crypto: serverCrypto,
      logger,
      config: { ...configOf(options), key, cert }
    })
    server.addEventListener(events.EventQUICServerConnection.name, ({ detail: connection }: Detail<QUICConnection>) => {
      connection.addEventListener(events.EventQUICConnectionStream.name, ({ detail: stream }: Detail<QUICStream>) => {
        // A stream that the end of its connection cuts off is no message.
        answer(stream, counter).catch(() => {})
      })
    })
    await server.start({ host, port: 0 })
    return {
      address: `${host}:${server.port}`,
      counts: counter.counts,
      close: () => server.stop({ force: true })
    }
  },
  dial: async (address, options) => {
    const socket = await openSocket()
    return connect(address, options, socket, () => socket.stop({ force: true }))
  },
  dialler: async (options) => {
    const socket = await openSocket()
    return {
      connect: (address) => connect(address, options, socket, async () => {}),
      close: () => socket.stop({ force: true })
    }
  }
}
