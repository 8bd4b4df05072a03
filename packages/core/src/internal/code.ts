/**
 * A code for a close, a reset or a stop, as every transport can carry it: 0 to 2^53 - 1.
 *
 * The native binding aborts the process on codes below 0 or above 2^62 - 1, and 2^62 - 1 itself becomes 2^62 as a
 * JavaScript number: echoing a peer's code unclamped would let it stop us.
 */
export const clampCode = (code: number): number =>
  Number.isNaN(code) ? 0 : Math.min(Math.max(Math.trunc(code), 0), Number.MAX_SAFE_INTEGER)

/** A priority as transports take it: a whole number. */
export const wholePriority = (priority: number | undefined): number =>
  priority === undefined || !Number.isFinite(priority) ? 0 : Math.trunc(priority)

/** The close code of a connection whose messages or whose end there would be no room for. */
export const overloadedCode = 3
