/**
 * Makes and reads the values that tests are about: addresses, bytes and messages.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { IncomingMessage } from "../../src/Endpoint.ts"

export const address = NetAddress.inetAddressFromStringUnsafe

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const textOf = (payload: Uint8Array): string => new TextDecoder().decode(payload)

/** What a message says, from whom, and whether it can be answered. */
export const summary = (message: IncomingMessage) => ({
  peer: String(message.peer),
  text: textOf(message.payload),
  reply: Option.isSome(message.reply)
})
