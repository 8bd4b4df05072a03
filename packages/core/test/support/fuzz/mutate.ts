/**
 * Makes new inputs of old ones: flipped bits, cut and repeated parts, changed lengths, parts of other inputs.
 */
import type { Random } from "./random.ts"

/** What mutations may use. */
export interface Ingredients {
  /** Inputs to begin with, and to take parts of. There is one at least. */
  readonly pool: ReadonlyArray<Uint8Array>
  /** What inputs of this kind have in them: words, separators, headers. */
  readonly tokens: ReadonlyArray<Uint8Array>
  /** The most bytes of an input. */
  readonly maxLength: number
}

const bytesOfInterest = [0, 1, 2, 0x0a, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff]
const numbersOfInterest = [0, 1, 2 ** 14, 2 ** 16 - 1, 2 ** 30, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 2 ** 62 - 1]

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(Buffer.concat(parts))

const replaced = (input: Uint8Array, at: number, count: number, part: Uint8Array): Uint8Array =>
  concat(input.subarray(0, at), part, input.subarray(Math.min(at + count, input.length)))

/** A part of some bytes, most often a short one. */
const partOf = (input: Uint8Array, random: Random): Uint8Array => {
  const at = random.below(input.length + 1)
  return input.subarray(at, at + 1 + random.small(Math.max(input.length - at, 1)))
}

/** The last `size` bytes of a number, the most significant first. */
const bigEndian = (value: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * (size - 1 - i))) & 0xffn))

/** A variable-length integer of QUIC (RFC 9000, section 16) of 1, 2, 4 or 8 bytes. */
const varint = (value: number, size: number): Uint8Array => {
  const bytes = bigEndian(value, size)
  bytes[0] = (bytes[0]! & 0x3f) | (Math.log2(size) << 6)
  return bytes
}

/** A number as a length field may have it: one that is extreme, or near to how many bytes are left. */
const lengthAt = (input: Uint8Array, at: number, random: Random): number =>
  random.below(2) === 0
    ? random.pick(numbersOfInterest)
    : Math.max(0, input.length - at + random.below(9) - 4 - random.pick([0, 16]))

type Mutation = (input: Uint8Array, random: Random, ingredients: Ingredients) => Uint8Array

const changedByte =
  (change: (byte: number, random: Random) => number): Mutation =>
  (input, random) => {
    if (input.length === 0) return input
    const copy = Uint8Array.from(input)
    const at = random.below(copy.length)
    copy[at] = change(copy[at]!, random)
    return copy
  }

const mutations: ReadonlyArray<Mutation> = [
  changedByte((byte, random) => byte ^ (1 << random.below(8))),
  changedByte((_, random) => random.pick(bytesOfInterest)),
  changedByte((byte, random) => byte + random.below(17) - 8),
  changedByte((_, random) => random.below(256)),
  // Cut out, repeat, insert.
  (input, random) => replaced(input, random.below(input.length + 1), 1 + random.small(32), new Uint8Array(0)),
  (input, random) => replaced(input, random.below(input.length + 1), 0, partOf(input, random)),
  (input, random) =>
    replaced(
      input,
      random.below(input.length + 1),
      0,
      Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256))
    ),
  // Truncate at either end.
  (input, random) => input.subarray(0, random.below(input.length + 1)),
  (input, random) => input.subarray(random.small(Math.max(input.length, 1))),
  // The beginning of one and the end of another one; a part of another one.
  (input, random, { pool }) => {
    const other = random.pick(pool)
    return concat(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1)))
  },
  (input, random, { pool }) => {
    const part = partOf(random.pick(pool), random)
    return replaced(input, random.below(input.length + 1), random.below(2) * part.length, part)
  },
  (input, random, { pool }) => concat(input, random.pick(pool)),
  // Numbers: of a fixed width in either order, and of QUIC's variable one.
  (input, random) => {
    const at = random.below(input.length + 1)
    const size = random.pick([1, 2, 4, 8])
    const number = bigEndian(lengthAt(input, at + size, random), size)
    return replaced(input, at, size, random.below(2) === 0 ? number : number.toReversed())
  },
  (input, random) => {
    const at = random.below(input.length + 1)
    const size = random.pick([1, 2, 4, 8])
    return replaced(input, at, random.pick([0, 1, size]), varint(lengthAt(input, at + size, random), size))
  },
  // Words of the format, twice as often as the rest.
  ...Array.from({ length: 2 }, (): Mutation => (input, random, { tokens }) => {
    if (tokens.length === 0) return input
    const token = random.pick(tokens)
    return replaced(input, random.below(input.length + 1), random.pick([0, 1, token.length]), token)
  }),
  // A part many times: what costs more than its length shows here.
  (input, random, { maxLength }) => {
    const part = partOf(input, random).subarray(0, 64)
    if (part.length === 0 || random.below(4) !== 0) return input
    const times = random.small(Math.max(1, Math.floor(maxLength / part.length)))
    return replaced(input, random.below(input.length + 1), 0, concat(...Array.from({ length: times }, () => part)))
  }
]

/** Makes an input of one of the pool by one to six mutations. */
export const mutate = (random: Random, ingredients: Ingredients): Uint8Array => {
  let input = random.pick(ingredients.pool)
  for (let left = 1 + random.small(6); left > 0; left--) {
    input = random.pick(mutations)(input, random, ingredients).subarray(0, ingredients.maxLength)
  }
  return Uint8Array.from(input)
}

/** Makes an input smaller, part by part, as long as `isSame` holds. It asks at most `tries` times. */
export const minimised = (input: Uint8Array, isSame: (input: Uint8Array) => boolean, tries = 2_000): Uint8Array => {
  let smallest = input
  for (let size = Math.ceil(input.length / 2); size >= 1 && tries > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length && tries > 0; tries--) {
      const candidate = replaced(smallest, at, size, new Uint8Array(0))
      if (isSame(candidate)) smallest = candidate
      else at += size
    }
  }
  return smallest
}
