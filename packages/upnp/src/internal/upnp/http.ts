import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { GatewayProtocolError, GatewayUnreachable, PortMapperTimedOut } from "@qp2p/core/PortMapperError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

export type HttpError = GatewayUnreachable | GatewayProtocolError | PortMapperTimedOut

export interface Answer {
  readonly status: number
  readonly body: string
}

/** Descriptions of real routers are 2 to 40 KiB. */
export const maxBodySize = 256 * 1024

export const protocolError = (gateway: string, reason: string, code?: number): GatewayProtocolError =>
  new GatewayProtocolError({ gateway, reason, code: Option.fromUndefinedOr(code) })

/**
 * A client whose every request has a socket of its own, and which follows no redirects. It is not `fetch`, because that
 * opens a second connection for each request that is given up, and not a layer, because one that the program built
 * elsewhere, with another agent, would be shared with ours.
 */
export const makeClient: Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> = Effect.provideServiceEffect(
  NodeHttpClient.makeNodeHttp,
  NodeHttpClient.HttpAgent,
  NodeHttpClient.makeAgent({ keepAlive: false })
)

/**
 * One request to the gateway, answer included, within `timeout`. Whatever ends it early (time, interruption, a body over
 * the cap) closes its socket.
 */
export const send = (
  request: HttpClientRequest.HttpClientRequest,
  options: { readonly gateway: string; readonly timeout: Duration.Input }
): Effect.Effect<Answer, HttpError, HttpClient.HttpClient> => {
  const { gateway, timeout } = options
  return Effect.gen(function* () {
    const client = HttpClient.withScope(yield* HttpClient.HttpClient)
    const response = yield* client.execute(request)
    if (response.status >= 300 && response.status < 400) {
      return yield* protocolError(gateway, "a redirect, which is not followed")
    }
    const body = yield* response.stream.pipe(
      Stream.runFoldEffect(
        () => ({ size: 0, chunks: Array<Uint8Array>() }),
        (read, chunk) => {
          read.size += chunk.length
          if (read.size > maxBodySize) return Effect.fail(protocolError(gateway, "a body that is too large"))
          read.chunks.push(chunk)
          return Effect.succeed(read)
        }
      ),
      Effect.map((read) => new TextDecoder().decode(Buffer.concat(read.chunks)))
    )
    return { status: response.status, body }
  }).pipe(
    Effect.scoped,
    Effect.provideService(HttpClient.TracerPropagationEnabled, false),
    Effect.catchTag("HttpClientError", (error) => Effect.fail(fromClientError(gateway, error))),
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(new PortMapperTimedOut({ gateway })) })
  )
}

const fromClientError = (gateway: string, error: HttpClientError.HttpClientError): HttpError => {
  const code = errorCode(error.reason.cause)
  // Codes of Node's HTTP parser: something answered, and it was not HTTP.
  if (code?.startsWith("HPE_")) return protocolError(gateway, `malformed HTTP (${code})`)
  return new GatewayUnreachable({ gateway, cause: error.reason.cause })
}

const errorCode = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined
