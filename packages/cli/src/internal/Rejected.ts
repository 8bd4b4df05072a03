/**
 * Why an incoming file was refused or dropped.
 */
import * as Schema from "effect/Schema"

/**
 * A file was refused or dropped. `detail` is for people on this side and may name local paths; `told` is for the sender and
 * names none.
 */
export class Rejected extends Schema.TaggedError<Rejected>("@qp2p/cli/internal/Rejected")("Rejected", {
  detail: Schema.String,
  told: Schema.String
}) {}

/**
 * A rejection with one text for both sides.
 */
export const make = (detail: string): Rejected => new Rejected({ detail, told: detail })
