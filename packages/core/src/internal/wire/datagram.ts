/**
 * The form of datagrams: one byte that says whose the datagram is, and its bytes.
 */

/** The kinds of datagrams. Datagrams of every other kind, and those without a byte, are dropped. */
export const kind = {
  /** The application's. */
  application: 0,
  /** A relay's: it carries a packet between two other peers. */
  relay: 1
} as const

/** The bytes of a datagram beside its payload. */
export const overhead = 1

/** Makes a datagram of the application. It has memory of its own: the caller may change the payload at once. */
export const encode = (payload: Uint8Array): Uint8Array => {
  const datagram = new Uint8Array(overhead + payload.length)
  datagram[0] = kind.application
  datagram.set(payload, overhead)
  return datagram
}

/** Returns the payload of a datagram of the application; undefined for one of another kind. It is a view of the datagram. */
export const decode = (datagram: Uint8Array): Uint8Array | undefined =>
  datagram[0] === kind.application ? datagram.subarray(overhead) : undefined
