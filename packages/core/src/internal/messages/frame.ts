/**
 * The frames of typed messages: 1 byte for the kind, 4 bytes for the length, and the content. Each half of a stream has one.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type { MessageRefused } from "../../MessagesError.ts"
import { allocate } from "../memory.ts"
import { decodeText, encodeText } from "../text.ts"
import { maxDetail } from "./limits.ts"

/** The size of the head of a frame, in bytes. */
export const headLength = 5

/** The kinds of frames that the opener of a stream sends. */
export const requestKind = { message: 0, question: 1 } as const

/** The kinds of frames that answer those. */
export const responseKind = { taken: 0, answer: 1, malformed: 2, tooLarge: 3, notAnswered: 4, overloaded: 5 } as const

const refusals: ReadonlyMap<number, MessageRefused["kind"]> = new Map([
  [responseKind.malformed, "Malformed"],
  [responseKind.tooLarge, "TooLarge"],
  [responseKind.notAnswered, "NotAnswered"],
  [responseKind.overloaded, "Overloaded"]
])

const kindOf = new Map([...refusals].map(([kind, refusal]) => [refusal, kind]))

/** Returns the refusal that a kind stands for; undefined for any other kind. */
export const refusalOf = (kind: number): MessageRefused["kind"] | undefined => refusals.get(kind)

/** A frame. */
export interface Frame {
  readonly kind: number
  readonly content: Uint8Array
}

const empty = new Uint8Array(0)

/** Encodes a frame. */
export const encode = (kind: number, content: Uint8Array): Uint8Array => {
  const { length } = content
  const bytes = allocate(headLength + length)
  bytes[0] = kind
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(1, length)
  bytes.set(content, headLength)
  return bytes
}

/** Encodes a refusal with a text for people, whose end may be cut off. */
export const encodeRefusal = (refusal: MessageRefused["kind"], detail: string): Uint8Array =>
  encode(kindOf.get(refusal)!, shortened(encodeText(detail.slice(0, maxDetail))))

/** Cuts text off between two characters. */
const shortened = (text: Uint8Array): Uint8Array => {
  if (text.length <= maxDetail) return text
  let end = maxDetail
  while ((text[end]! & 0xc0) === 0x80) end -= 1
  return text.subarray(0, end)
}

/** Decodes the text of a refusal: what is no text, or has control characters, is for nobody to read. */
export const decodeDetail = (content: Uint8Array): string => printable(decodeText(content) ?? "")

/** The beginning of a text that a peer may have chosen, on one line, without control characters. */
export const printable = (text: string): string =>
  text.slice(0, maxDetail).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")

/** What is wrong with a frame. */
export class FrameProblem {
  readonly _tag = "FrameProblem"
  readonly kind: "Malformed" | "TooLarge"
  readonly detail: string
  constructor(kind: "Malformed" | "TooLarge", detail: string) {
    this.kind = kind
    this.detail = detail
  }
}

/** The options of `read`. */
export interface ReadOptions<E, E2> {
  readonly pull: Pull.Pull<NonEmptyReadonlyArray<Uint8Array>, E>
  /** Returns the most bytes that a frame of this kind may have; undefined when there is no such kind. */
  readonly most: (kind: number) => number | undefined
  /** Called with the length of the content, before it is read; of an empty one as well. */
  readonly admit?: ((length: number) => Effect.Effect<void, E2>) | undefined
  /** So many bytes more have arrived. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** Reads the one frame of a half, up to the end of the half. What a peer claims is not allocated before it arrives. */
export const read = <E, E2 = never>(options: ReadOptions<E, E2>): Effect.Effect<Frame, E | E2 | FrameProblem> =>
  Effect.gen(function* () {
    const next = Pull.catchDone(options.pull, () => Effect.succeed(undefined))
    const bytes = new Gathered()
    let most = Infinity
    while (true) {
      const pulled = yield* next
      if (pulled === undefined) break
      for (const chunk of pulled) {
        options.onBytes?.(chunk.length)
        if (bytes.size + chunk.length > most) return yield* trailing
        bytes.add(chunk, most)
      }
      if (most !== Infinity || bytes.size < headLength) continue
      const [kind, length] = [bytes.kind, bytes.length]
      const problem = problemOf(kind, length, options.most(kind))
      if (problem !== undefined) return yield* Effect.fail(problem)
      most = headLength + length
      if (bytes.size > most) return yield* trailing
      if (options.admit !== undefined) yield* options.admit(length)
    }
    if (bytes.size < most) return yield* Effect.fail(new FrameProblem("Malformed", "the frame is cut off"))
    return { kind: bytes.kind, content: bytes.all.subarray(headLength) }
  })

const trailing = Effect.fail(new FrameProblem("Malformed", "the frame is followed by other bytes"))

const problemOf = (kind: number, length: number, most: number | undefined): FrameProblem | undefined => {
  if (most === undefined) return new FrameProblem("Malformed", `there is no frame of the kind ${kind}`)
  if (length > most) return new FrameProblem("TooLarge", `${length} bytes are more than ${most}`)
  return undefined
}

/** Bytes that arrive in pieces of any size. A frame that arrives in one piece is not copied. */
class Gathered {
  size = 0
  private bytes: Uint8Array = empty

  /** Adds a piece, and grows by doubling, to `most` bytes at most. */
  add(chunk: Uint8Array, most: number): void {
    const size = this.size + chunk.length
    if (this.size === 0) this.bytes = chunk
    else {
      if (size > this.bytes.length) {
        const grown = allocate(Math.max(size, Math.min(2 * this.bytes.length, most)))
        grown.set(this.all)
        this.bytes = grown
      }
      this.bytes.set(chunk, this.size)
    }
    this.size = size
  }

  get kind(): number {
    return this.bytes[0]!
  }

  get length(): number {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset).getUint32(1)
  }

  get all(): Uint8Array {
    return this.bytes.subarray(0, this.size)
  }
}
