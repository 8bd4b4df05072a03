/** The three loads that both sides carry. `messages` is the length of one run, `quick` of one run with `--quick`. */
export const workloads = [
  { key: "a", name: "1 KiB, 32 in flight", size: 1024, inFlight: 32, messages: 20_000, quick: 5_000 },
  { key: "b", name: "1 MiB, 4 in flight", size: 1 << 20, inFlight: 4, messages: 100, quick: 25 },
  { key: "c", name: "64 B, 256 in flight", size: 64, inFlight: 256, messages: 20_000, quick: 5_000 }
]

/** Bytes of UDP payload in a full packet, on both sides. */
export const packetSize = 1350

export const median = (values) => {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export const payloadOf = (size) => {
  const payload = new Uint8Array(size)
  for (let i = 0; i < size; i++) payload[i] = i * 31
  return payload
}

export const headerLength = 9

/** `version u16 = 1 | length u32 | flag u8 | reserved u16`, then the payload, in one buffer. */
export const frameOf = (payload) => {
  const frame = Buffer.allocUnsafe(headerLength + payload.length)
  frame.writeUInt16BE(1, 0)
  frame.writeUInt32BE(payload.length, 2)
  frame[6] = 0
  frame.writeUInt16BE(0, 7)
  frame.set(payload, headerLength)
  return frame
}

/** Checks the header of a frame of `length` bytes that came as one message. */
export const checkFrame = (frame, length) => {
  const size = frame.readUInt32BE(2)
  if (frame.readUInt16BE(0) !== 1 || frame[6] !== 0 || size !== length - headerLength) throw new Error("bad frame")
}
