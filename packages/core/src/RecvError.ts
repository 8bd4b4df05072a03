/**
 * The errors of reading messages from a stream. The variants are those of `SendError`, for the receiving side.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ConnectionLost, SerializationError, StreamLost } from "./SendError.ts"

export { ConnectionLost, SerializationError, StreamLost } from "./SendError.ts"

/**
 * An error of reading a stream.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const RecvError = Schema.Union([SerializationError, ConnectionLost, StreamLost])

/**
 * An error of reading a stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type RecvError = typeof RecvError.Type
