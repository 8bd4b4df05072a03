/** Allocates memory that its user overwrites in full, without zeroing it first where the platform allows that. */

interface Unzeroed {
  readonly allocUnsafe: (size: number) => Uint8Array
  readonly allocUnsafeSlow: (size: number) => Uint8Array<ArrayBuffer>
}

/** Node, Bun and Deno allocate unzeroed memory through `Buffer`; browsers do not. */
const unzeroed = (globalThis as { readonly Buffer?: Partial<Unzeroed> }).Buffer
const platform: Unzeroed | undefined =
  typeof unzeroed?.allocUnsafe === "function" && typeof unzeroed.allocUnsafeSlow === "function"
    ? (unzeroed as Unzeroed)
    : undefined

/** The smallest size, in bytes, at which avoiding the zeroing saves time. */
const minUnzeroed = 4_096

/** Allocates bytes with a buffer of their own, which may be passed to the application. */
export const allocate = (size: number): Uint8Array =>
  platform === undefined || size < minUnzeroed
    ? new Uint8Array(size)
    : new Uint8Array(platform.allocUnsafeSlow(size).buffer)

interface GrowableConstructor {
  new (length: number, options: { readonly maxByteLength: number }): Growable
}

/** A buffer that grows in place. */
type Growable = ArrayBuffer & { readonly resize?: (length: number) => void }

/**
 * Bytes that grow in place up to `most`. The platform takes their memory from the system page by page and gives it back when they
 * are collected, whereas an allocator keeps blocks for later use. Undefined where a platform has no such memory.
 */
export class GrowingBytes {
  /** The bytes so far. Their content is kept when they grow. */
  readonly bytes: Uint8Array
  private readonly buffer: Growable
  private readonly most: number

  private constructor(buffer: Growable, most: number) {
    this.buffer = buffer
    this.bytes = new Uint8Array(buffer)
    this.most = most
  }

  static make(length: number, most: number): GrowingBytes | undefined {
    if (!("resize" in ArrayBuffer.prototype)) return undefined
    try {
      const buffer = new (ArrayBuffer as unknown as GrowableConstructor)(length, { maxByteLength: most })
      return new GrowingBytes(buffer, most)
    } catch {
      // There is no room for so much in the address space.
      return undefined
    }
  }

  /** Grows to at least `length`: to twice as much as before, so that few calls are needed. */
  grow(length: number): void {
    const { byteLength } = this.buffer
    if (length > byteLength) this.buffer.resize!(Math.min(Math.max(length, 2 * byteLength), this.most))
  }
}

/**
 * Allocates bytes that may be a view of a larger, pooled buffer: allocating a buffer costs more than copying a short message.
 */
export const allocatePooled = (size: number): Uint8Array =>
  platform === undefined ? new Uint8Array(size) : platform.allocUnsafe(size)

/** Joins two arrays of bytes in a new one, which may be a view of a larger, pooled buffer. */
export const joined = (one: Uint8Array, two: Uint8Array): Uint8Array => {
  const bytes = allocatePooled(one.length + two.length)
  bytes.set(one)
  bytes.set(two, one.length)
  return bytes
}
