/** Messages over libp2p's streams: one stream for each message, or one for all. */
import type { Connection, Stream } from "@libp2p/interface"
import type { Link } from "../../contender.ts"
import { checkAnswer, type Counter, payloadOf, timed } from "../counting.ts"
import { type ByteStream, linkOver } from "../orderedStream.ts"

export const protocols = {
  message: "/benchmarks/message/1",
  question: "/benchmarks/question/1",
  ordered: "/benchmarks/ordered/1"
} as const

/** What a stream is offered at once; it keeps what it cannot send. */
const portion = 256 << 10

const sendAll = async (stream: Stream, body: Uint8Array): Promise<void> => {
  for (let at = 0; at < body.length; at += portion) {
    if (!stream.send(body.subarray(at, at + portion))) await stream.onDrain()
  }
}

const readAll = async (stream: Stream): Promise<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of stream) chunks.push(chunk.subarray())
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

/** The end of the answering half of the stream says that the message is there. */
export const answer = async (stream: Stream, counter: Counter): Promise<void> => {
  const body = await readAll(stream)
  counter.take(body.length)
  if (stream.protocol === protocols.question) await sendAll(stream, body)
  await stream.close()
}

const exchange = async (connection: Connection, protocol: string, body: Uint8Array): Promise<Uint8Array> => {
  const stream = await connection.newStream(protocol, { maxOutboundStreams: 100_000 })
  const answered = readAll(stream)
  await sendAll(stream, body)
  await stream.close()
  return answered
}

/** A connection that its peer is closing too cannot be closed in good order. */
const end = (connection: Connection): Promise<void> =>
  connection.close().catch((error) => connection.abort(error as Error))

export const linkByMessage = (connection: Connection, closed: () => Promise<void>): Link => ({
  messages: async ({ count, inFlight, size }) => {
    const body = payloadOf(size)
    let left = count
    const sendSome = async () => {
      while (left-- > 0) await exchange(connection, protocols.message, body)
    }
    await Promise.all(Array.from({ length: Math.min(count, inFlight) }, sendSome))
  },
  requests: ({ count, size }) => {
    const question = payloadOf(size)
    return timed(count, async () => checkAnswer(await exchange(connection, protocols.question, question), question))
  },
  close: async () => {
    await end(connection)
    await closed()
  }
})

export const byteStreamOf = (stream: Stream): ByteStream => ({
  write: (bytes) => stream.send(bytes),
  onData: (receive) => stream.addEventListener("message", ({ data }) => receive(data.subarray())),
  onDrain: (drained) => stream.addEventListener("drain", drained),
  onEnd: (ended) =>
    stream.addEventListener("close", ({ error }) => ended(error ?? new Error("the connection has ended"))),
  close: () => stream.close()
})

export const linkByStream = async (connection: Connection, closed: () => Promise<void>): Promise<Link> => {
  const stream = await connection.newStream(protocols.ordered)
  return linkOver(byteStreamOf(stream), async () => {
    await end(connection)
    await closed()
  })
}
