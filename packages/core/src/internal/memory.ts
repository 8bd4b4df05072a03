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

/**
 * Allocates bytes that may be a view of a larger, pooled buffer: allocating a buffer costs more than copying a short message.
 */
export const allocatePooled = (size: number): Uint8Array =>
  platform === undefined ? new Uint8Array(size) : platform.allocUnsafe(size)
