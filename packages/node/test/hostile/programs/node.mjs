// The program under attack: `node.mjs HOST [MODULE]`. The module serves more at the endpoint. The program answers questions and takes messages, as an application does, and says
// what it saw when its parent asks. Its parent learns the port.
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

const [host, more] = process.argv.slice(2)

/** Connections of peers that vanish end so soon that their memory can be looked at 30 s later. */
const config = { idleTimeout: "15 seconds" }

/** A careful program answers only so much at once, and not for ever. */
const mostAnswers = 5_000
const answerTime = "10 seconds"

const answers = Buffer.alloc(64 << 20)
const decoder = new TextDecoder()
const seen = { messages: 0, questions: 0, unanswered: 0, pushed: 0, pushesFailed: 0 }
/** Which addresses said that they are whom. */
const claims = new Map()

const report = () => ({ ...seen, claims: [...claims].map(([peer, who]) => [peer, [...who]]) })

const answerOf = (text) => {
  if (text.startsWith("echo ")) return Buffer.from(text)
  if (text.startsWith("download ")) return answers.subarray(0, Number(text.slice(9)))
}

const claim = (peer, who) => {
  if (claims.size > 10_000) return
  const key = `${peer}`
  claims.set(key, (claims.get(key) ?? new Set()).add(who))
}

/** Whether the parent has asked for the last report, and whether a message to the subscriber is under way. */
let isOver = false
let isPushing = false

/** Sends a message to the subscriber four times a second. */
const push = Effect.fnUntraced(function* (self, peer) {
  for (let i = 0; !isOver; i++) {
    yield* Effect.sleep("250 millis")
    isPushing = true
    const sent = self.sendMessage(Buffer.from(`${i}`), peer, { retryDuration: "5 seconds" })
    const result = yield* Effect.exit(Effect.timeout(sent, "8 seconds"))
    seen.pushed += 1
    if (result._tag === "Failure") seen.pushesFailed += 1
    isPushing = false
  }
})

/** Gives back what comes. */
const echo = (stream) => Stream.runForEach(stream.read, (bytes) => stream.write(bytes))

/** Sends as many bytes as the question says. */
const download = (stream) =>
  Effect.gen(function* () {
    const size = Number(decoder.decode((yield* stream.pull)[0]))
    yield* Effect.timeout(stream.write(answers.subarray(0, size), { fin: true }), answerTime)
  })

const program = Effect.gen(function* () {
  const self = yield* Endpoint.make({ localAddress: `${host}:0`, config })
  yield* self.serveProtocol("echo", echo)
  yield* self.serveProtocol("download", download)
  if (more !== undefined) yield* (yield* Effect.promise(() => import(more))).serve(self)
  let open = 0
  process.on("message", async (what) => {
    if (what === "collect") return globalThis.gc()
    isOver = true
    while (isPushing) await new Promise((resolve) => void setTimeout(resolve, 50))
    process.send({ report: report() })
  })
  process.send({ port: self.localAddress.port })
  while (true) {
    const { payload, peer, reply } = yield* self.nextMessage
    seen.messages += 1
    if (Option.isNone(reply)) {
      if (payload.length > 100) continue
      const text = decoder.decode(payload)
      if (text === "push") yield* Effect.forkScoped(push(self, peer))
      if (text.startsWith("i am ")) claim(peer, text.slice(5))
      continue
    }
    seen.questions += 1
    const answer = payload.length > 1_000 ? undefined : answerOf(decoder.decode(payload))
    if (answer === undefined || open >= mostAnswers) {
      seen.unanswered += 1
      yield* reply.value.reset(1)
      continue
    }
    open += 1
    yield* reply.value.sendMessage(answer, { fin: true }).pipe(
      Effect.timeout(answerTime),
      Effect.onError(() => reply.value.reset(1)),
      Effect.ignore,
      Effect.ensuring(Effect.sync(() => (open -= 1))),
      Effect.forkScoped
    )
  }
})

// The parent's end is this process's end.
process.once("disconnect", () => process.exit(0))
await Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
)
