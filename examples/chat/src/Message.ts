/**
 * What peers of a chat send each other: a protocol of typed messages. Both sides of every connection use this file.
 */
import { Messages } from "@qp2p/core"
import { Schema } from "effect"

/** A peer's name: 1 to 40 characters, none of which moves the cursor. */
export const Name = Schema.String.check(Schema.isPattern(/^[^\p{C}\p{Zl}\p{Zp}]{1,40}$/u))

/** Asks a peer for its name. */
export const Hello = Schema.TaggedStruct("Hello", {})

/** A line for everybody in the chat. */
export const Line = Schema.TaggedStruct("Line", {
  text: Schema.String.check(Schema.isPattern(/^[^\p{Cc}\p{Zl}\p{Zp}]{1,1000}$/u))
})

/** The messages of one endpoint. What does not fit a schema is refused before anything here sees it. */
export const makeMessages = Messages.make(
  "example-chat/1",
  { message: Schema.Union([Hello, Line]), answer: Schema.Struct({ name: Name }) },
  { maxMessageSize: 8_192, messageBuffer: 1_000 }
)
