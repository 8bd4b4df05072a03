/**
 * The receive budget of a connection: how many received bytes are neither stream data nor its overhead.
 *
 * The binding keeps some frames without bound and reports no count of them. The driver finds such a peer by comparing the bytes
 * received with the bytes read from streams.
 */
import type { NativeConnection } from "../binding/native.ts"
import * as tunables from "../tunables/memory.ts"
import { initialStreamWindow } from "../tunables/streams.ts"

/** Bytes that count as headers and acknowledgements: for each packet that brought data, and for each packet sent. */
const perPacketIn = 64
const perPacketOut = 128

/** Stream data comes with headers, and some of it twice. */
const perByteRead = 1.5

/**
 * Compares the bytes that a connection received with the bytes that its streams delivered, and reports a peer whose
 * difference exceeds `unexplainedBytes`.
 */
export class ReceiveBudget {
  private readonly native: NativeConnection
  private readonly host: { readonly onUnread: (change: number) => void }
  private bytesIn = 0
  private bytesRead = 0
  private explained = 0
  /** The received bytes beyond those read, when there was last nothing to read: none of them was stream data. */
  private overhead = 0
  /** Bytes of reset and stopped streams that are received and not read. */
  private dropped = 0
  private reported = 0
  /** What the connection's owner holds, in bytes of memory. */
  private charged = 0
  private isOver = false

  /** `host.onUnread` learns by how many bytes `unread` changes. */
  constructor(native: NativeConnection, host: { readonly onUnread: (change: number) => void }) {
    this.native = native
    this.host = host
  }

  /** About how many bytes of memory hold what has arrived and was not read or not used, as of the last audit. */
  get unread(): number {
    return this.reported
  }

  received(bytes: number): void {
    this.bytesIn += bytes
  }

  /** Of the bytes received, so many came in packets without stream data. */
  withoutData(bytes: number): void {
    this.overhead += bytes
  }

  sent(): void {
    this.explained += perPacketOut
  }

  read(bytes: number): void {
    this.bytesRead += bytes
  }

  /** Allows for up to `bytes` that will arrive and will not be read. */
  willDrop(bytes: number): void {
    this.explained += bytes
  }

  /** The peer has reset a stream, so what was not read of it never will be. How much that is can only be bounded. */
  wasReset(): void {
    const unread = this.bytesIn - this.bytesRead - this.overhead
    // A reset costs the peer little, so the allowance for it is bounded.
    const left = tunables.maxUnread + this.bytesRead - this.dropped
    const dropped = Math.max(0, Math.min(unread, initialStreamWindow, left))
    this.dropped += dropped
    this.explained += dropped
  }

  /**
   * Checks the balance at the end of a turn that took `packets` and read `bytes`, when `memory` bytes hold what was not read,
   * and `answers` bytes what the peer has asked for and not taken. Returns the reason when the connection cannot go on.
   */
  audit(packets: number, bytes: number, memory = 0, answers = 0): string | undefined {
    if (this.isOver) return undefined
    this.explained += bytes * perByteRead + Math.min(packets, bytes) * perPacketIn
    const readable = this.native.isReadable()
    if (!readable) this.overhead = this.bytesIn - this.bytesRead
    this.report(Math.max(this.bytesIn - this.bytesRead - this.overhead, memory) + this.charged + answers)
    // With nothing to read, what has come and was not read waits for something lost before it, or is no data.
    const waiting = readable ? tunables.maxUnread : tunables.maxOutOfOrder
    const allowed = this.explained + tunables.unexplainedBytes + waiting
    if (this.bytesIn <= allowed) return undefined
    // The binding drops what others send in the peer's name. Its own count leaves that out, but costs too much for each turn.
    this.bytesIn = this.native.stats().recvBytes
    return this.bytesIn > allowed ? "too much that is not data" : undefined
  }

  /** What has come takes `memory` bytes, and is not to be read yet: the peer is not admitted. */
  holds(memory: number): void {
    if (!this.isOver) this.report(memory)
  }

  /** The connection's owner holds so many bytes more, or fewer. */
  charge(change: number): void {
    if (this.isOver) return
    this.charged += change
    this.report(this.reported + change)
  }

  /** Reports that nothing waits to be read any more, and nothing will. */
  end(): void {
    this.isOver = true
    this.report(0)
  }

  private report(unread: number): void {
    const change = unread - this.reported
    if (change === 0) return
    this.reported = unread
    this.host.onUnread(change)
  }
}
