/** Bytes that rules send and compare. */

/** Makes `length` bytes that depend on `seed` alone. */
export const pattern = (length: number, seed = 0): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (state * 1664525 + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Encodes a string as UTF-8. */
export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Fails unless both are equal, without a diff, which would have megabytes. */
export const assertSame = (actual: Uint8Array, expected: Uint8Array): void => {
  if (Buffer.compare(actual, expected) === 0) return
  let i = 0
  while (i < actual.length && actual[i] === expected[i]) i++
  throw new Error(`the bytes differ from number ${i} on (${actual.length} bytes instead of ${expected.length})`)
}
