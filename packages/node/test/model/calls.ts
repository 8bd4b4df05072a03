/**
 * What applications ask each other in protocols, and the laws about that.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ProtocolStream } from "@qp2p/core/ProtocolStream"
import type { Life } from "./journal.ts"
import { idOf, isSame, payloadOf } from "./payload.ts"
import type { World } from "./world.ts"

/** The protocol that every endpoint serves, and one that none does. */
export type Name = "echo" | "nobody's"

/** A question in a protocol. */
interface Call {
  readonly payload: Uint8Array
  readonly from: Life
  readonly to: number
  /** How often a handler has got the whole of it. */
  handled: number
}

const bytesOf = (stream: ProtocolStream) =>
  Effect.map(Stream.runCollect(stream.read), (chunks) => new Uint8Array(Buffer.concat(chunks)))

/** The questions of a world. */
export class Calls {
  private readonly world: World
  private readonly calls: Array<Call> = []
  /** How many handlers run. */
  running = 0

  constructor(world: World) {
    this.world = world
  }

  /** Serves "echo" for as long as the endpoint lives. */
  readonly serve = (life: Life) =>
    Scope.provide(
      life.endpoint.serveProtocol("echo", (stream) =>
        Effect.acquireUseRelease(
          Effect.sync(() => (this.running += 1)),
          () => this.handle(life, stream),
          () => Effect.sync(() => (this.running -= 1))
        )
      ),
      life.scope
    )

  private handle(life: Life, stream: ProtocolStream) {
    return Effect.flatMap(bytesOf(stream), (payload) => {
      const say = (what: string) => this.world.journal.violations.push(`a handler of ${life.name} got ${what}`)
      const call = this.calls[idOf(payload)]
      if (call === undefined || !isSame(payload, call.payload)) say(`${payload.length} bytes that nobody has asked`)
      else {
        call.handled += 1
        if (call.handled > 1) say(`question ${idOf(payload)} more than once`)
        if (call.to !== life.slot) say(`question ${idOf(payload)}, which was for ${call.to}`)
        if (stream.peerId !== call.from.endpoint.peerId) say(`question ${idOf(payload)} from another peer`)
      }
      return stream.write(payload, { fin: true })
    })
  }

  /** Asks the endpoint at `to`. With `leave`, the opener leaves after its first bytes. */
  ask(life: Life, to: number, size: number, name: Name, leave: boolean): void {
    const { journal, rig } = this.world
    const id = this.calls.length
    const call: Call = { payload: payloadOf(id, size), from: life, to, handled: 0 }
    this.calls.push(call)
    const operation = this.world.operation(life, to, `${name === "echo" ? "ask" : "askNobody"} ${life.name} to ${to}`)
    const say = (what: string) => journal.violations.push(`question ${id} of ${life.name} ${what}`)
    const asking = Effect.gen(function* () {
      const stream = yield* life.endpoint.openProtocol(rig.addressOf(to), name)
      if (leave) return yield* stream.write(call.payload)
      yield* Effect.forkChild(stream.write(call.payload, { fin: true }), { startImmediately: true })
      const answer = yield* bytesOf(stream)
      if (name !== "echo") say("was answered by nobody")
      else if (!isSame(answer, call.payload)) say("has another answer")
      else if (call.handled === 0) say("was answered before it was asked")
      return undefined
    })
    this.world.run(operation, Effect.scoped(asking))
  }
}

/** No handler outlives its stream. */
export const handlersEnd = ({ calls }: World, say: (violation: string) => void): void => {
  if (calls.running > 0) say(`${calls.running} handlers still run`)
}
