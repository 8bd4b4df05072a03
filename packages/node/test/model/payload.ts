/**
 * Messages whose content follows from their number, so that a receiver can tell whether anything was changed.
 */

/** The same numbers for the same seed. */
export const xorshift = (seed: number): (() => number) => {
  let state = seed | 0 || 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** The least that holds a number. */
export const smallest = 4

export const payloadOf = (id: number, size: number): Uint8Array => {
  const payload = new Uint8Array(Math.max(smallest, size))
  const view = new DataView(payload.buffer)
  const next = xorshift(id + 1)
  let offset = 0
  for (; offset + 4 <= payload.length; offset += 4) view.setUint32(offset, next())
  for (; offset < payload.length; offset++) payload[offset] = next()
  view.setUint32(0, id)
  return payload
}

/** The number that a payload claims to have. */
export const idOf = (payload: Uint8Array): number =>
  payload.length < smallest ? -1 : new DataView(payload.buffer, payload.byteOffset).getUint32(0)

export const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
