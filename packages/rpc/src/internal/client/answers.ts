/** What a client's calls have in common: where answers go, and how messages are read. */
import type { FromServerEncoded, RequestEncoded } from "effect/rpc/RpcMessage"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { FitTags } from "./fitTags.ts"

/** A call that a client is waiting for. */
export interface ClientCall {
  readonly clientId: number
  readonly request: RequestEncoded
  /** Whether the RPC client has told that it does not want the rest, in the middle of the answer. */
  isInterrupted: boolean
}

/** What the calls of a client share. */
export interface Answers {
  readonly serialization: RpcSerialization.RpcSerialization["Service"]
  readonly maxResponseSize: number
  /** The priority of requests. */
  readonly priority: number
  readonly fitTags: FitTags
  /** The scope of the client. */
  readonly scope: Scope.Scope
  /** Gives a part of the answer, or the end of it, to the RPC client. Completes when it has room for more. */
  readonly deliver: (call: ClientCall, message: FromServerEncoded) => Effect.Effect<void>
}

const undeclared = Schema.Exit(Schema.Never, Schema.Never, Schema.Defect())

/** Makes what the calls of a client share. */
export const make = (
  serialization: RpcSerialization.RpcSerialization["Service"],
  { maxResponseSize, priority }: Pick<Answers, "maxResponseSize" | "priority">,
  scope: Scope.Scope,
  write: (clientId: number, message: FromServerEncoded) => Effect.Effect<void>
): Answers => {
  const { codecFor } = serialization
  const decodeDefect = Schema.decodeUnknownSync(codecFor(Schema.Defect()))
  const encodeExit = Schema.encodeUnknownSync(codecFor(undeclared) as Schema.Codec<unknown, unknown>)

  /** To the RPC client a defect is the end of all calls. Here it is that of the call whose stream it comes on. */
  const exitOf = (call: ClientCall, defect: unknown): FromServerEncoded => {
    const exit = encodeExit(Exit.die(decodeDefect(defect)))
    return { _tag: "Exit", requestId: call.request.id, exit } as FromServerEncoded
  }

  return {
    serialization,
    maxResponseSize,
    priority,
    fitTags: new FitTags(),
    scope,
    deliver: (call, message) => {
      const { clientId, request } = call
      switch (message._tag) {
        case "Defect":
          return Effect.suspend(() => write(clientId, exitOf(call, message.defect)))
        case "Exit":
        case "Chunk":
          return write(clientId, message.requestId === request.id ? message : { ...message, requestId: request.id })
        default:
          return Effect.void
      }
    }
  }
}
