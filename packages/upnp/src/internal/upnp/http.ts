/** HTTP requests to a gateway over TCP sockets of their own. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { GatewayProtocolError, GatewayUnreachable, PortMapperTimedOut } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { type Answer, AnswerReader } from "./answer.ts"

export type { Answer } from "./answer.ts"

/** The errors of an HTTP request: no connection, an invalid answer, or the timeout. */
export type HttpError = GatewayUnreachable | GatewayProtocolError | PortMapperTimedOut

/** An HTTP request to a gateway. */
export interface Request {
  readonly method: "GET" | "POST"
  readonly url: URL
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>
  readonly body?: string
}

/** How long a complete document waits for further bytes when its framing announces more, or less. */
const linger = Duration.millis(250)

/**
 * Makes the error of an answer that breaks the protocol. `code` is the HTTP status or the UPnP fault code, if there is one.
 */
export const protocolError = (gateway: string, detail: string, code?: number): GatewayProtocolError =>
  new GatewayProtocolError({ gateway, detail, code: Option.fromUndefinedOr(code) })

/**
 * Sends one request on a connection of its own and reads the answer, within `timeout`. Redirects are not followed. The
 * socket is closed when time runs out, when the fiber is interrupted and when the body exceeds its limit.
 *
 * Node's own HTTP client is not used: it refuses what many routers send, and reports a wrong length as a connection
 * reset.
 */
export const send = (
  request: Request,
  options: { readonly gateway: string; readonly timeout: Duration.Input }
): Effect.Effect<Answer, HttpError> => {
  const { gateway, timeout } = options
  return exchange(request, gateway).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(new PortMapperTimedOut({ gateway })) })
  )
}

const exchange = Effect.fnUntraced(function* (
  request: Request,
  gateway: string
): Effect.fn.Return<Answer, GatewayUnreachable | GatewayProtocolError, Scope.Scope> {
  const { hostname, port } = request.url
  const socket = yield* NodeSocket.makeNet({ host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port || 80) })
  const unreachable = ({ reason }: Socket.SocketError) => new GatewayUnreachable({ gateway, cause: causeOf(reason) })
  const reader = yield* Effect.mapError(socket.reader, unreachable)
  const writer = yield* socket.writer
  const answer = new AnswerReader()

  // In one write: some routers do not wait for a body that follows its head. The reader reports errors of writing,
  // after an answer that may have arrived before.
  const ask = Effect.andThen(Effect.ignore(writer.write(encode(request))), Effect.never)
  const readAll = Effect.gen(function* () {
    while (answer.refused === undefined && !(answer.isFramed && answer.hasDocument)) {
      const mayBeAll = answer.isFramed || answer.hasDocument
      const chunks = mayBeAll ? yield* Effect.timeoutOption(reader.pull, linger) : Option.some(yield* reader.pull)
      if (Option.isNone(chunks)) break
      for (const chunk of chunks.value) answer.feed(typeof chunk === "string" ? Buffer.from(chunk) : chunk)
    }
    return "closed" as const
  })
  const ended = yield* Effect.catch(Effect.raceFirst(readAll, ask), ({ reason }) => Effect.succeed(endOf(reason)))
  const result = answer.result(ended)
  return "detail" in result ? yield* protocolError(gateway, result.detail) : result
})

const causeOf = (reason: Socket.SocketError["reason"]): unknown => ("cause" in reason ? reason.cause : reason)

const endOf = (reason: Socket.SocketError["reason"]): "closed" | "reset" =>
  reason._tag === "SocketCloseError" && reason.code === 1000 ? "closed" : "reset"

/**
 * Writes header names as miniupnpc does: some routers know no other spelling, and expect the SOAPAction before the last
 * line.
 */
const encode = ({ body = "", headers = [], method, url }: Request): string => {
  const content = method === "GET" ? [] : [["Content-Length", String(Buffer.byteLength(body))] as const]
  const lines = [
    ["Host", url.host] as const,
    ["User-Agent", "Node.js/1 UPnP/1.1 qp2p/1"] as const,
    ...content,
    ...headers,
    ["Connection", "close"] as const
  ].map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n${body}`
}
