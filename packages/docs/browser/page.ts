/**
 * The program of the page: two endpoints on the memory transport, which send messages both ways, ask and answer, and hear of
 * the end of the other. It posts what happened to the server that the page is from.
 */
import { Endpoint, PortMapper } from "@qp2p/core"
import { MemoryTransport } from "@qp2p/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** What the test finds in the browser's report. */
export interface Report {
  readonly happened: ReadonlyArray<string>
  readonly failure: string | undefined
}

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (payload: Uint8Array) => new TextDecoder().decode(payload)

const answer = ({ payload, reply }: Endpoint.IncomingMessage) =>
  Option.match(reply, {
    onNone: () => Effect.void,
    onSome: (send) => send.sendMessage(encode(`${decode(payload)} yourself`), { fin: true })
  })

const program = Effect.gen(function* () {
  const happened: Array<string> = []
  const alice = yield* Endpoint.make({ localAddress: "10.0.0.1:1" })
  const bob = yield* Endpoint.make({ localAddress: "10.0.0.2:2", contacts: [alice.localAddress] })
  happened.push(`bob's contact sees him at ${bob.publicAddress}`)

  yield* alice.sendMessage(encode("marco"), bob.localAddress)
  happened.push(`bob heard ${decode((yield* bob.nextMessage).payload)}`)
  yield* bob.sendMessage(encode("polo"), alice.localAddress, { priority: 1 })
  happened.push(`alice heard ${decode((yield* alice.nextMessage).payload)}`)

  const large = new Uint8Array(1_000_000).map((_, i) => i % 251)
  yield* alice.sendMessage(large, bob.localAddress)
  const arrived = (yield* bob.nextMessage).payload
  happened.push(
    `bob got ${arrived.length} bytes, ${arrived.every((byte, i) => byte === large[i]) ? "the same" : "others"}`
  )

  yield* bob.incomingMessages.pipe(Stream.runForEach(answer), Effect.forkScoped)
  const { receive, send } = yield* alice.openBidirectionalStream(bob.localAddress)
  yield* send.sendMessage(encode("hello"), { fin: true })
  const answers = yield* Stream.runCollect(receive.messages)
  happened.push(`bob answered ${answers.map(decode).join(", ")}`)

  yield* bob.close
  happened.push(`alice lost ${(yield* alice.nextDisconnection).peer}`)
  return happened
})

const network = Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone)

const exit = await Effect.runPromiseExit(Effect.scoped(Effect.provide(program, network)))
const report: Report = {
  happened: Exit.isSuccess(exit) ? exit.value : [],
  failure: Exit.isFailure(exit) ? String(exit.cause) : undefined
}
// @effect-diagnostics-next-line globalFetch:off
await fetch("/report", { method: "POST", body: JSON.stringify(report) })
