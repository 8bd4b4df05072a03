/**
 * Several services on one endpoint, each by its name, over streams of their own.
 *
 * `Endpoint.openProtocol` opens a stream that begins with the name of a protocol, and `Endpoint.serveProtocol` runs a handler for
 * each such stream. `docs/wire.md` has the bytes.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Endpoint } from "./Endpoint.ts"
import type { ProtocolTaken } from "./ProtocolError.ts"
import type { ProtocolStream } from "./ProtocolStream.ts"
import type { ServeOptions } from "./ServeOptions.ts"

export { ProtocolRefused, ProtocolTaken } from "./ProtocolError.ts"
export type { ProtocolStream } from "./ProtocolStream.ts"
export type { ServeOptions } from "./ServeOptions.ts"

/**
 * Serves a protocol as `Endpoint.serveProtocol` does, as long as the layer lives.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  name: string,
  handler: (stream: ProtocolStream) => Effect.Effect<void, E, R>,
  options?: ServeOptions
): Layer.Layer<never, ProtocolTaken, Endpoint | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(Effect.flatMap(Endpoint, (endpoint) => endpoint.serveProtocol(name, handler, options)))
