/**
 * Endpoints whose application reads streams itself, and streams as bytes.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Endpoint from "../../src/Endpoint.ts"
import type * as EndpointConfig from "../../src/EndpointConfig.ts"
import type { RecvStream } from "../../src/RecvStream.ts"

export const manual = (
  localAddress: Endpoint.Address,
  config: EndpointConfig.Input = {},
  contacts: ReadonlyArray<Endpoint.Address> = []
) => Endpoint.make({ localAddress, config, contacts, streams: "Manual" })

/** Everything on it, to its end. */
export const bytesOf = (receive: RecvStream) =>
  Effect.map(Stream.runCollect(receive.bytes), (chunks) => new Uint8Array(Buffer.concat(chunks)))

export const messagesOf = (receive: RecvStream) => Stream.runCollect(receive.messages)
