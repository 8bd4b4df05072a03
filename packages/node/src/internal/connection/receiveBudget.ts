/**
 * What a peer has made us take in, and what of it streams explain.
 *
 * The binding keeps some frames without bound, which cannot be seen from outside but by adding up.
 */
import type { NativeConnection } from "../binding/native.ts"
import * as tunables from "../tunables.ts"

/** Bytes that explain themselves: headers and acknowledgements, for each packet that brought data or that we sent. */
const perPacketIn = 64
const perPacketOut = 128

/** Stream data comes with headers, and some of it twice. */
const perByteRead = 1.5

export class Accounts {
  private readonly native: NativeConnection
  /** What has come and waits for streams to be read, in bytes, about: as of the last audit. */
  unread = 0
  private bytesIn = 0
  private bytesRead = 0
  private explained = 0
  /** What had come in and not been read when there was last nothing to read: none of it was stream data. */
  private overhead = 0
  /** What streams that were reset have explained. */
  private dropped = 0

  constructor(native: NativeConnection) {
    this.native = native
  }

  received(bytes: number): void {
    this.bytesIn += bytes
  }

  sent(): void {
    this.explained += perPacketOut
  }

  read(bytes: number): void {
    this.bytesRead += bytes
  }

  /** Up to so many bytes will come that nobody reads. */
  willDrop(bytes: number): void {
    this.explained += bytes
  }

  /** The peer has reset a stream: what was not read of it never will be. How much that is can only be bounded. */
  wasReset(): void {
    const unread = this.bytesIn - this.bytesRead - this.overhead
    // Resets are cheap, so they must not explain any amount of something else.
    const left = tunables.mostUnread + this.bytesRead - this.dropped
    const dropped = Math.max(0, Math.min(unread, tunables.initialStreamWindow, left))
    this.dropped += dropped
    this.explained += dropped
  }

  /** At the end of a turn that took `packets` and read `bytes`: why the connection cannot go on, if it cannot. */
  audit(packets: number, bytes: number): string | undefined {
    this.explained += bytes * perByteRead + Math.min(packets, bytes) * perPacketIn
    const readable = this.native.isReadable()
    if (!readable) this.overhead = this.bytesIn - this.bytesRead
    this.unread = this.bytesIn - this.bytesRead - this.overhead
    // With nothing to read, what has come and was not read waits for what was lost before it, or is no data.
    const waiting = readable ? tunables.mostUnread : tunables.mostOutOfOrder
    const allowed = this.explained + tunables.unexplainedBytes + waiting
    if (this.bytesIn <= allowed) return undefined
    // What others sent in the peer's name was dropped and is not its doing; asking each time would cost too much.
    this.bytesIn = this.native.stats().recvBytes
    return this.bytesIn > allowed ? "too much that is not data" : undefined
  }
}
