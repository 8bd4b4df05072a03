/** Attacks on an RPC server: answers that are not read, requests that do not end, parts without an end, and rubbish. */
import { opened } from "../../../node/test/hostile/attacks/protocols.mjs"
import * as frames from "../../../node/test/hostile/kit/frames.mjs"
import { paced, sleep } from "../../../node/test/hostile/kit/pace.mjs"
import { connect } from "../../../node/test/hostile/kit/peer.mjs"
import * as wire from "../../../node/test/hostile/kit/wire.mjs"

/** The kinds of frames of RPC, as the package's README.md has them. */
const message = 0
const calls = 1

const opening = wire.openProtocol("effect-rpc")

/** A frame of RPC, whose header claims `length` bytes. */
const framed = (kind, call, content, length = content.length) => {
  const header = Buffer.alloc(9)
  header.writeUInt32BE(length, 0)
  header[4] = kind
  header.writeUInt32BE(call, 5)
  return Buffer.concat([header, content])
}

const request = (tag, payload) =>
  Buffer.from(`${JSON.stringify({ _tag: "Request", id: "1", tag, payload, headers: [] })}\n`)

/** What a stream with one call begins with. */
const own = (tag, payload) => Buffer.concat([opening, framed(message, 0, request(tag, payload))])

/** What a shared stream with `count` calls begins with. */
const shared = (count, tag, payload) =>
  Buffer.concat([
    opening,
    framed(calls, 0, Buffer.alloc(0)),
    ...Array.from({ length: count }, (_, call) => framed(message, call, request(tag, payload)))
  ])

/** Honest bindings that open as many streams as there is credit for, each with `bytes(id)`, and read nothing. */
const unread = (bytes) => (context) => opened(context, (native, id) => native.streamSend(id, bytes(id), false))

const long = own("Long", { text: "", length: 1 << 20 })
const many = shared(60, "Long", { text: "", length: 1 << 20 })
const short = shared(60, "Long", { text: "", length: 12_000 })
const parts = own("Pour", { length: 1 << 20 })

/** Two of three long answers with a stream of their own, and the rest from shared streams, where they wait to be fetched. */
const unreadAnswers = unread((id) => (id % 12 === 0 ? many : long))

/** Half of them claim 16 MiB and send 20 kB; the others stop within the header, or on a shared stream. */
const unfinished = unread((id) => {
  if (id % 8 === 0) return Buffer.concat([opening, framed(message, 0, Buffer.alloc(20_000), 16 << 20)])
  const half = framed(message, 1, request("Echo", { text: "a" })).subarray(0, 20)
  return id % 16 === 4 ? Buffer.concat([opening, half]) : Buffer.concat([shared(1, "Echo", { text: "a" }), half])
})

/** Asks for parts without end on each of 400 streams, opens every window, and neither reads nor acknowledges. */
const unacknowledgedParts = async ({ hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0) })
  peer.send(frames.maxData(2 ** 40))
  for (let i = 0; i < 400; i++) {
    const id = 4 * i
    peer.send(Buffer.concat([frames.stream(id, 0, parts), frames.maxStreamData(id, 2 ** 40)]))
    if (i % 20 === 0) await sleep(2)
  }
  await paced(seconds, 20, () => peer.send(frames.ping))
  return { megabytesHeard: peer.bytesHeard / 2 ** 20 }
}

/** What follows on a shared stream that has been served: each costs the stream, and a new one is opened. */
const garbage = [
  Buffer.alloc(200, 0xff),
  framed(77, 0, Buffer.alloc(100)),
  framed(message, 0, Buffer.from("{]\n")),
  framed(message, 0, request("Echo", { text: "a" }), 1 << 20),
  framed(2, 0, Buffer.alloc(4)),
  Buffer.concat(Array.from({ length: 100 }, (_, call) => framed(3, call, Buffer.alloc(0))))
]
const rubbish = unread((id) =>
  Buffer.concat([shared(3, "Echo", { text: "a" }), garbage[(id / 4) % garbage.length], Buffer.alloc(100, 0xfe)])
)

export const attacks = {
  "answers of calls that are not read": { run: unreadAnswers },
  "short answers on shared streams that are not read": { run: unread(() => short) },
  "requests that are not finished": { run: unfinished },
  "parts of answers that are not acknowledged": { run: unacknowledgedParts },
  "parts of answers that are not read": { run: unread(() => parts) },
  "rubbish on shared streams": { run: rubbish }
}
