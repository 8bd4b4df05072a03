/** The frames on a qp2p stream, and the questions that the program under attack answers. */

const framed = (flag, body) => {
  const header = Buffer.alloc(9)
  header.writeUInt16BE(1)
  header.writeUInt32BE(body.length, 2)
  header[6] = flag
  return Buffer.concat([header, body])
}

/** A message of the application. */
export const message = (body) => framed(0, body)

/** The header of a message of `length` bytes, of which none follow. */
export const messageHeader = (length) => {
  const header = Buffer.from(message(Buffer.alloc(1)).subarray(0, 9))
  header.writeUInt32BE(length, 2)
  return header
}

/** Asks at which address the peer sees the asker. */
export const echoQuestion = framed(1, Buffer.alloc(4))

/** Asks the peer to dial `host` (IPv4) at `port` and to say whether that works. */
export const verificationQuestion = (host, port) => {
  const body = Buffer.alloc(14)
  body[0] = 2
  body.set(host.split(".").map(Number), 8)
  body.writeUInt16LE(port, 12)
  return framed(1, body)
}

/** Asks the program under attack for the same bytes back. */
export const question = (text) => message(Buffer.from(`echo ${text}`))

/** Asks the program under attack for `bytes` bytes. */
export const download = (bytes) => message(Buffer.from(`download ${bytes}`))

/** Opens a protocol; what the stream has further is that protocol's. */
export const openProtocol = (name) => {
  const text = Buffer.from(name)
  const body = Buffer.alloc(12 + text.length)
  body[0] = 16
  body.writeUInt32LE(text.length, 4)
  body.set(text, 12)
  return framed(1, body)
}
