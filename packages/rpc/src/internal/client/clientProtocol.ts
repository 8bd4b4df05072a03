/** The RPC client's side: a `RpcClient.Protocol` over the streams of an endpoint. */
import { Endpoint } from "@qp2p/core/Endpoint"
import type * as PeerAddress from "@qp2p/core/PeerAddress"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import type { RequestEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Scope from "effect/Scope"
import * as limits from "../limits.ts"
import * as answering from "./answers.ts"
import { type ClientCall } from "./answers.ts"
import * as errors from "./errors.ts"
import * as ownCall from "./ownCall.ts"
import type { Session } from "./session.ts"
import { Sessions } from "./sessions.ts"

/** The settings of a client, with their defaults. */
export interface Settings {
  readonly protocol: string
  readonly priority: number
  readonly maxResponseSize: number
}

type RequestId = string | number

/** Makes the protocol. Streams are opened by calls; the scope ends those that are left. */
export const make = (
  peer: PeerAddress.Input,
  settings: Settings
): Effect.Effect<RpcClient.Protocol["Service"], never, Endpoint | RpcSerialization.RpcSerialization | Scope.Scope> =>
  RpcClient.Protocol.make(
    Effect.fnUntraced(function* (write) {
      const endpoint = yield* Endpoint
      const serialization = yield* RpcSerialization.RpcSerialization
      const scope = yield* Effect.scope
      const context = Context.omit(Scope.Scope)(yield* Effect.context())
      const answers = answering.make(serialization, settings, scope, write)
      const open = endpoint.openProtocol(peer, settings.protocol, { priority: settings.priority })
      const sessions = new Sessions(answers, open, scope, context)
      /** The calls under way, by client and request. */
      const calls = new Map<number, Map<RequestId, ClientCall>>()
      yield* Effect.addFinalizer(() => Effect.sync(() => sessions.close()))

      const onSession = (session: Session, call: ClientCall): Effect.Effect<void, RpcClientError> => {
        let content: Uint8Array | string | undefined
        try {
          content = session.encode(call.request)
        } catch (error) {
          return Effect.fail(errors.unencodable(error))
        }
        if (content === undefined) return Effect.void
        if (content.length > limits.smallRequest) return ownCall.make(answers, call, open)
        return Effect.catchIf(
          session.run(call, content),
          () => session.isRefused,
          () => ownCall.make(answers, call, open)
        )
      }

      const request = (clientId: number, message: RequestEncoded): Effect.Effect<void, RpcClientError> =>
        Effect.suspend(() => {
          const call: ClientCall = { clientId, request: message, isInterrupted: false }
          const begun = Effect.suspend(() => {
            const ofClient = calls.get(clientId)
            if (ofClient === undefined) calls.set(clientId, new Map([[message.id, call]]))
            else ofClient.set(message.id, call)
            return run(call)
          })
          return Effect.onExit(begun, () => {
            const ofClient = calls.get(clientId)
            if (ofClient?.delete(message.id) === true && ofClient.size === 0) calls.delete(clientId)
            return Effect.void
          })
        })

      const run = (call: ClientCall): Effect.Effect<void, RpcClientError> => {
        if (call.request.isNotification === true) return ownCall.notify(answers, call, open)
        if (sessions.isRefused || !answers.fitTags.has(call.request.tag)) return ownCall.make(answers, call, open)
        const session = sessions.available
        if (session !== undefined) return onSession(session, call)
        return Effect.flatMap(sessions.take, (session) => onSession(session, call))
      }

      return {
        send: (clientId, message) => {
          if (message._tag === "Request") return request(clientId, message)
          if (message._tag === "Interrupt") {
            const call = calls.get(clientId)?.get(message.requestId)
            if (call !== undefined) call.isInterrupted = true
          }
          return Effect.void
        },
        supportsAck: false,
        supportsTransferables: false,
        codecFor: serialization.codecFor
      }
    })
  )
