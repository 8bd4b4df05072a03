/**
 * DER, the encoding of certificates and keys (ITU-T X.690, section 10): elements of a tag, a length and contents.
 */

/** Tags of the elements that certificates and keys have. */
export const INTEGER = 0x02
export const BIT_STRING = 0x03
export const OCTET_STRING = 0x04
export const OBJECT_IDENTIFIER = 0x06
export const UTF8_STRING = 0x0c
export const GENERALIZED_TIME = 0x18
export const SEQUENCE = 0x30
export const SET = 0x31

/** Returns the tag of a constructed element that has a number instead of a type. */
export const tagged = (number: number): number => 0xa0 | number

/** Encodes an element whose contents are `parts`, one behind the other. */
export const element = (tag: number, ...parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): Uint8Array => {
  const contents = Buffer.concat(parts.map((part) => Uint8Array.from(part)))
  return Buffer.concat([Uint8Array.of(tag), lengthOf(contents.length), contents])
}

/** Encodes a length below 2^16. */
const lengthOf = (length: number): Uint8Array => {
  if (length < 0x80) return Uint8Array.of(length)
  return length < 0x100 ? Uint8Array.of(0x81, length) : Uint8Array.of(0x82, length >> 8, length & 0xff)
}

/** How deep elements may be nested. Certificates need about ten levels. */
const maxDepth = 32

/** An element's contents: the bytes from `start` to `end`. */
export interface Contents {
  readonly start: number
  readonly end: number
}

/**
 * Reads the elements between two offsets one after the other, without copies. It takes nothing but DER: definite lengths in
 * their shortest form that end within the enclosing element, and tags of one byte.
 */
export class DerReader {
  private readonly bytes: Uint8Array
  private readonly end: number
  private offset: number

  constructor(bytes: Uint8Array, contents: Contents = { start: 0, end: bytes.length }) {
    this.bytes = bytes
    this.offset = contents.start
    this.end = contents.end
  }

  /** Where the next element begins. */
  get at(): number {
    return this.offset
  }

  get isAtEnd(): boolean {
    return this.offset === this.end
  }

  /** Whether the next element has this tag. */
  isNext(tag: number): boolean {
    return this.offset < this.end && this.bytes[this.offset] === tag
  }

  /** Reads the next element if it has this tag and is DER. */
  read(tag: number): Contents | undefined {
    return this.isNext(tag) ? this.next() : undefined
  }

  /** Reads the next element, whatever its tag; undefined if it is not DER. */
  next(): Contents | undefined {
    const { bytes, end, offset } = this
    if (end - offset < 2 || (bytes[offset]! & 0x1f) === 0x1f) return undefined
    let start = offset + 2
    let length = bytes[offset + 1]!
    if (length >= 0x80) {
      // 0x80 begins an indefinite length. No certificate needs a length of more than two bytes.
      const size = length - 0x80
      if (size === 0 || size > 2 || end - start < size) return undefined
      length = 0
      for (; start < offset + 2 + size; start++) length = length * 256 + bytes[start]!
      if (length < (size === 1 ? 0x80 : 0x100)) return undefined
    }
    if (length > end - start) return undefined
    this.offset = start + length
    return { start, end: start + length }
  }

  /** Whether all that is left to read is DER, nested elements included. */
  isWellFormed(depth = maxDepth): boolean {
    while (!this.isAtEnd) {
      const isConstructed = (this.bytes[this.offset]! & 0x20) !== 0
      const contents = this.next()
      if (contents === undefined) return false
      if (!isConstructed) continue
      if (depth === 0 || !new DerReader(this.bytes, contents).isWellFormed(depth - 1)) return false
    }
    return true
  }
}
