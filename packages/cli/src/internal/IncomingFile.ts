/**
 * The messages of one incoming file: content, and then a hash or the reason why the sender gave up.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import type * as FileMessages from "../FileMessages.ts"
import { abandonmentCodec, maxControlSize, trailerCodec } from "../FileMessages.ts"
import * as Format from "../Format.ts"
import { longestReason, printable } from "../Printable.ts"
import * as Rejected from "./Rejected.ts"

/**
 * A file whose header has arrived.
 */
export interface IncomingFile {
  /** The bytes of content so far. */
  readonly received: () => number
  /** Takes the next message. Returns the hash of the content when that was the last one and all is right. */
  readonly take: (payload: Uint8Array) => Effect.Effect<Option.Option<string>, Rejected.Rejected>
}

/** The length of the shortest message that ends a transfer, in bytes: `{"end":"<32 digits>","error":""}`. */
const minControlSize = 53

/**
 * The file that a header announces. `write` gets its content; `maxSize` is in bytes.
 */
export const make = (
  header: FileMessages.Header,
  options: {
    readonly maxSize: number
    readonly write: (content: Uint8Array) => Effect.Effect<void, Rejected.Rejected>
  }
): IncomingFile => {
  const size = Option.fromUndefinedOr(header.size)
  const hash = createHash("sha256")
  let received = 0

  /** The trailer or the abandonment that ends the transfer; undefined when the message is content. */
  const lastOf = (payload: Uint8Array) => {
    if (payload.length < minControlSize || payload.length > maxControlSize) return undefined
    const { end } = header
    if (end !== undefined) {
      const trailer = trailerCodec.decode(payload)
      if (Option.isSome(trailer) && trailer.value.end === end) return trailer.value
      const abandonment = abandonmentCodec.decode(payload)
      if (Option.isSome(abandonment) && abandonment.value.end === end) return abandonment.value
    }
    return Option.contains(size, received) ? Option.getOrUndefined(trailerCodec.decode(payload)) : undefined
  }

  const complete = (trailer: FileMessages.Trailer) => {
    if (Option.isSome(size) && received !== size.value) {
      return Effect.fail(Rejected.make(`it ended after ${received} of the announced ${size.value} bytes`))
    }
    const sha256 = hash.digest("hex")
    return trailer.sha256 === sha256
      ? Effect.succeedSome(sha256)
      : Effect.fail(Rejected.make(`hash mismatch: announced ${trailer.sha256}, received ${sha256}`))
  }

  const take = Effect.fnUntraced(function* (payload: Uint8Array) {
    const last = lastOf(payload)
    if (last !== undefined) {
      return "error" in last
        ? yield* Rejected.make(`the sender gave up: ${printable(last.error, longestReason)}`)
        : yield* complete(last)
    }
    if (Option.isSome(size) && received + payload.length > size.value) {
      return yield* Rejected.make(
        `more than the announced ${size.value} bytes` + (received === size.value ? ", or no hash after them" : "")
      )
    }
    if (received + payload.length > options.maxSize) return yield* tooLarge(options.maxSize)
    hash.update(payload)
    yield* options.write(payload)
    received += payload.length
    return Option.none<string>()
  })

  return { received: () => received, take }
}

/**
 * The rejection of a file that is larger than `maxSize` bytes.
 */
export const tooLarge = (maxSize: number): Rejected.Rejected =>
  Rejected.make(`larger than the ${Format.bytes(maxSize)} that a file may have`)
