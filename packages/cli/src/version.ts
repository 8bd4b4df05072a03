/**
 * The version of the command.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"

const decode = Schema.decodeUnknownSync(Schema.Struct({ version: Schema.String }))

/**
 * The version of this package, from its package.json.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const version: string = decode(createRequire(import.meta.url)("../package.json")).version
