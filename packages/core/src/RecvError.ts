/**
 * Why no further message comes from a stream. The variants are those of `SendError`, seen from the other side.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ConnectionLost, SerializationError, StreamLost } from "./SendError.ts"

export { ConnectionLost, SerializationError, StreamLost } from "./SendError.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const RecvError = Schema.Union([SerializationError, ConnectionLost, StreamLost])

/**
 * @category models
 * @since 0.1.0
 */
export type RecvError = typeof RecvError.Type
