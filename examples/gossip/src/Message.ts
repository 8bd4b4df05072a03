/**
 * What nodes say to each other: JSON in UTF-8, checked by a schema.
 */
import { Effect, Schema } from "effect"

/** Rumours in one message. What is left over comes with the next exchange. */
export const maxRumours = 100

/** Rumours that one node remembers, at most. */
export const maxCapacity = 1_000

const Text = Schema.NonEmptyString.check(Schema.isMaxLength(1_000))
const Id = Schema.NonEmptyString.check(Schema.isMaxLength(32))
const Ids = Schema.Array(Id).check(Schema.isMaxLength(maxCapacity))

/** `at` is when it was published, in milliseconds since 1970 by the clock of whoever did. */
export const Rumour = Schema.Struct({ id: Id, at: Schema.Natural, text: Text })
export type Rumour = typeof Rumour.Type

const Rumours = Schema.Array(Rumour).check(Schema.isMaxLength(maxRumours))

/** Rumours that the other may not know. */
export const Tell = Schema.TaggedStruct("Tell", { rumours: Rumours })

/** The rumours that the sender knows. It comes on a bidirectional stream, for the answer to go back on. */
export const Digest = Schema.TaggedStruct("Digest", { ids: Ids })

/** The answer to a digest: what its sender lacks, and what the answerer would like to have. */
export const Answer = Schema.TaggedStruct("Answer", { rumours: Rumours, wanted: Ids })

export const Message = Schema.Union([Tell, Digest, Answer])
export type Message = typeof Message.Type

const Json = Schema.fromJsonString(Message)
const toJson = Schema.encodeEffect(Json)
const fromJson = Schema.decodeEffect(Json)

/** Our own messages are what the schema says: that one is not is a defect. */
export const encode = (message: Message): Effect.Effect<Uint8Array> =>
  Effect.map(Effect.orDie(toJson(message)), (text) => new TextEncoder().encode(text))

export const decode = (payload: Uint8Array): Effect.Effect<Message, Schema.SchemaError> =>
  fromJson(new TextDecoder().decode(payload))
