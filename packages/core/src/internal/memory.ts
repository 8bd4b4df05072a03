/** Memory for bytes that are all written before they are read, so that the platform need not set it to zero first. */

interface Unzeroed {
  readonly allocUnsafe: (size: number) => Uint8Array
  readonly allocUnsafeSlow: (size: number) => Uint8Array<ArrayBuffer>
}

/** Node, Bun and Deno have unzeroed memory; a browser has none. */
const unzeroed = (globalThis as { readonly Buffer?: Partial<Unzeroed> }).Buffer
const platform: Unzeroed | undefined =
  typeof unzeroed?.allocUnsafe === "function" && typeof unzeroed.allocUnsafeSlow === "function"
    ? (unzeroed as Unzeroed)
    : undefined

/** Below this, in bytes, zeroing costs less than the call that avoids it. */
const worthwhile = 4_096

/** Bytes with a buffer of their own, which may be handed to the application. */
export const allocate = (size: number): Uint8Array =>
  platform === undefined || size < worthwhile
    ? new Uint8Array(size)
    : new Uint8Array(platform.allocUnsafeSlow(size).buffer)

/**
 * Bytes that may be a view of a larger buffer, out of a pool where there is one: a buffer of their own costs more than
 * copying a short message.
 */
export const allocatePooled = (size: number): Uint8Array =>
  platform === undefined ? new Uint8Array(size) : platform.allocUnsafe(size)
