/**
 * The messages between nodes: JSON in UTF-8, checked by a schema.
 */
import { Effect, Schema } from "effect"

/** The most rumours in one message. Further ones follow in the next exchange. */
export const maxRumours = 100

/** The most rumours that one node remembers. */
export const maxCapacity = 1_000

const Text = Schema.NonEmptyString.check(Schema.isMaxLength(1_000))
const Id = Schema.NonEmptyString.check(Schema.isMaxLength(32))
const Ids = Schema.Array(Id).check(Schema.isMaxLength(maxCapacity))

/** A rumour. `at` is the time of publication in milliseconds since 1970, by its author's clock. */
export const Rumour = Schema.Struct({ id: Id, at: Schema.Natural, text: Text })
export type Rumour = typeof Rumour.Type

const Rumours = Schema.Array(Rumour).check(Schema.isMaxLength(maxRumours))

/** Pushes rumours that the receiver may lack. */
export const Tell = Schema.TaggedStruct("Tell", { rumours: Rumours })

/** Begins an exchange: the ids of the sender's rumours. It is sent on a bidirectional stream, which carries the answer. */
export const Digest = Schema.TaggedStruct("Digest", { ids: Ids })

/** Answers a digest: the rumours that its sender lacks, and the ids of those that the answering node lacks. */
export const Answer = Schema.TaggedStruct("Answer", { rumours: Rumours, wanted: Ids })

export const Message = Schema.Union([Tell, Digest, Answer])
export type Message = typeof Message.Type

const Json = Schema.fromJsonString(Message)
const toJson = Schema.encodeEffect(Json)
const fromJson = Schema.decodeEffect(Json)

/** Encodes a message. A message that violates the schema is a defect. */
export const encode = (message: Message): Effect.Effect<Uint8Array> =>
  Effect.map(Effect.orDie(toJson(message)), (text) => new TextEncoder().encode(text))

/** Decodes a message of a peer. */
export const decode = (payload: Uint8Array): Effect.Effect<Message, Schema.SchemaError> =>
  fromJson(new TextDecoder().decode(payload))
