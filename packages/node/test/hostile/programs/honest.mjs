// The honest peer beside an attack: `honest.mjs HOST NEWCOMER-HOST NODE [MODULE]`. The module asks in further ways. It asks every 50 ms over one connection,
// takes what the node pushes, and every second a newcomer bootstraps from another address. It says what it saw when its
// parent asks.
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

const [host, newcomerHost, node, more] = process.argv.slice(2)

const period = 50
/** Milliseconds. A question that takes longer is lost. */
const patience = 30_000

const fresh = () => ({ latencies: [], lost: 0, reasons: {}, newcomers: 0, newcomersRefused: 0, newcomerMillis: [] })
let seen = fresh()
/** The numbers of the messages that the node has pushed. One that is sent again counts once. */
const pushed = new Set()

const blame = (reason) => {
  seen.reasons[reason] = (seen.reasons[reason] ?? 0) + 1
}

/** One question: by turns to the program, on a stream of a protocol, and as `others` do. Its time counts from when it was due, so that a held process is no excuse. */
const ask = Effect.fnUntraced(function* (self, others, number, due) {
  const question = Buffer.from(`echo ${number}`)
  const asked = Effect.gen(function* () {
    const { receive, send } = yield* self.openBidirectionalStream(node)
    yield* Effect.forkChild(Effect.ignore(send.sendMessage(question, { fin: true })))
    return yield* receive.next
  })
  const called = Effect.gen(function* () {
    const stream = yield* self.openProtocol(node, "echo")
    yield* stream.write(question, { fin: true })
    return Buffer.concat(yield* Stream.runCollect(stream.read))
  }).pipe(Effect.scoped)
  const asks = [() => asked, () => called, ...others]
  const result = yield* Effect.exit(Effect.timeout(asks[number % asks.length](`echo ${number}`), patience))
  if (result._tag === "Success" && Buffer.from(result.value).toString() === `echo ${number}`) {
    seen.latencies.push(performance.now() - due)
  } else {
    seen.lost += 1
    blame(result._tag === "Success" ? "another answer" : tagOf(result.cause))
  }
})

const tagOf = (cause) => cause.reasons?.[0]?.error?._tag ?? cause.reasons?.[0]?._tag ?? "unknown"

const newcomer = Effect.gen(function* () {
  const began = performance.now()
  const started = Endpoint.make({
    localAddress: `${newcomerHost}:0`,
    contacts: [node],
    config: { retryDuration: 0, handshakeTimeout: "5 seconds", rpcTimeout: "5 seconds" }
  })
  const result = yield* Effect.exit(Effect.scoped(Effect.timeout(started, "12 seconds")))
  seen.newcomers += 1
  if (result._tag === "Success" && Option.isSome(result.value.bootstrapContact)) {
    seen.newcomerMillis.push(performance.now() - began)
  } else {
    seen.newcomersRefused += 1
    blame(result._tag === "Success" ? "newcomer: no contact" : `newcomer: ${tagOf(result.cause)}`)
  }
})

const program = Effect.gen(function* () {
  const self = yield* Endpoint.make({ localAddress: `${host}:0` })
  yield* self.sendMessage(Buffer.from("i am honest"), node)
  yield* self.sendMessage(Buffer.from("push"), node)
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.map(self.nextMessage, ({ payload }) => {
        pushed.add(Buffer.from(payload).toString())
      })
    )
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(newcomer, Effect.sleep("1 second"))))
  const others = more === undefined ? [] : yield* (yield* Effect.promise(() => import(more))).asks(self, node)
  const open = new Set()
  let stopped = false
  process.on("message", async (what) => {
    // What is open is waited for: it may be lost.
    if (what === "stop") {
      stopped = true
      await Promise.all(open)
    }
    process.send({ report: { ...seen, pushes: { received: pushed.size } } })
    seen = fresh()
  })
  process.send({ port: self.localAddress.port })
  const began = performance.now()
  for (let number = 0; ; number++) {
    const due = began + number * period
    const wait = due - performance.now()
    if (wait > 0) yield* Effect.sleep(wait)
    if (stopped) continue
    const fiber = yield* Effect.forkScoped(ask(self, others, number, due))
    const done = Effect.runPromise(Fiber.await(fiber)).then(() => open.delete(done))
    open.add(done)
  }
})

process.once("disconnect", () => process.exit(0))
await Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
)
