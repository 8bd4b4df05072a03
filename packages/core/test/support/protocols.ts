/**
 * Protocols for tests, and bare peers that open and accept their streams.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ProtocolStream } from "../../src/ProtocolStream.ts"
import type { BackingConnection, RecvEvents, StreamFailure } from "../../src/Transport.ts"
import * as WireMessage from "../../src/WireMessage.ts"
import { raw } from "./bareSockets.ts"
import { endpoint, settle } from "./memoryEndpoints.ts"
import { bytes, textOf } from "./values.ts"

export const joined = (parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))

/** Everything that the peer sends on it, to the end, as text. */
export const textFrom = (stream: ProtocolStream) =>
  Effect.map(Stream.runCollect(stream.read), (chunks) => textOf(joined(chunks)))

/** A handler that answers with what it is asked, and an exclamation mark. */
export const shout = (stream: ProtocolStream) =>
  Effect.flatMap(textFrom(stream), (text) => stream.write(bytes(`${text}!`), { fin: true }))

export const openReq = (protocol: string) => WireMessage.encode({ _tag: "ProtocolOpenReq", protocol })

export const openResp = (outcome: WireMessage.ProtocolOpenResp["outcome"]) =>
  WireMessage.encode({ _tag: "ProtocolOpenResp", outcome })

/** What happens to one half of a stream. */
export const halfEvents = () => {
  const chunks: Array<Uint8Array> = []
  const ends: Array<StreamFailure | "fin"> = []
  const events: RecvEvents = {
    onData: (chunk) => {
      chunks.push(new Uint8Array(chunk))
      return true
    },
    onEnd: (failure) => ends.push(failure ?? "fin")
  }
  return { chunks, ends, events }
}

/** Opens a bidirectional stream of a bare connection, and writes `content` on it. */
export const openRaw = (connection: BackingConnection, content?: Uint8Array, fin = false) => {
  const { chunks, ends, events } = halfEvents()
  const writes: Array<StreamFailure | "done"> = []
  const { receive, send } = connection.openBi(0, events)
  const write = (more: Uint8Array, last = false) => send.write(more, last, (failure) => writes.push(failure ?? "done"))
  if (content !== undefined) write(content, fin)
  return { chunks, ends, receive, send, write, writes }
}

/** A stream that a bare peer has got. */
export interface Got {
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly ends: ReadonlyArray<StreamFailure | "fin">
  /** What became of its writes. */
  readonly writes: ReadonlyArray<StreamFailure | "done">
  readonly write: (content: Uint8Array, fin: boolean) => void
  readonly reset: (code: number) => void
  readonly stop: (code: number) => void
}

/** A bare peer at `local`, with the bidirectional streams that it has got. */
export const bareAcceptor = Effect.fnUntraced(function* (local: string) {
  const streams: Array<Got> = []
  const peer = yield* raw(local, (send, receive) => {
    const { chunks, ends, events } = halfEvents()
    const writes: Array<StreamFailure | "done"> = []
    streams.push({
      chunks,
      ends,
      writes,
      write: (content, fin) => send?.write(content, fin, (failure) => writes.push(failure ?? "done")),
      reset: (code) => send?.reset(code),
      stop: (code) => receive.stop(code)
    })
    return events
  })
  return { peer, streams }
})

/** An endpoint at 10.0.0.1:1 that serves "shout", and a bare connection to it from 10.0.0.6:6. */
export const attacked = Effect.gen(function* () {
  const one = yield* endpoint("10.0.0.1:1")
  yield* one.serveProtocol("shout", shout)
  const peer = yield* raw("10.0.0.6:6")
  const connection = yield* peer.dial("10.0.0.1:1")
  yield* settle
  return { one, peer, connection }
})
