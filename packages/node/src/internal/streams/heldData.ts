/**
 * What the binding keeps of a peer's STREAM frames until they are read: each frame as a piece of its own, whose size
 * has little to do with the number of bytes in it.
 *
 * A stream is read in order, so a frame is gone when everything up to its end has been read. To know that of each frame, all
 * of them would have to be kept. So the frames of a stream are divided: those that had come when the largest offset was last
 * looked at, and those that came since. When that offset has been read, the former are gone.
 */
import { fragmentCost, smallFragment, smallFragmentCost, streamCost } from "../tunables/frames.ts"

/** The frames of one stream. */
class Held {
  id = 0
  /** The largest offset that has come. */
  end = 0
  /** The largest offset of the older frames. */
  olderEnd = 0
  older = 0
  olderBytes = 0
  newer = 0
  newerBytes = 0
  /** The peer was told to stop: the binding keeps nothing of what comes. */
  isStopped = false
}

/** Records that are not in use, so that most streams make no object. */
const spare: Array<Held> = []
const maxSpare = 1_024

/**
 * Estimates from above what the binding keeps of the streams of one connection: in pieces, and in bytes of memory. Small
 * pieces count as far more than they take: see `smallFragmentCost`.
 */
export class HeldData {
  /** The last bit of the ids of streams that the peer opens (RFC 9000, section 2.1). */
  private readonly peerBit: 0 | 1
  /** Made with the first frame: most idle connections never need it. */
  private streams: Map<number, Held> | undefined = undefined
  private last: Held | undefined = undefined
  private pieces = 0
  private bytes = 0
  private openedByPeer = 0

  constructor(dialled: boolean) {
    this.peerBit = dialled ? 1 : 0
  }

  /** How many pieces the binding keeps at most. */
  get fragments(): number {
    return this.pieces
  }

  /** How much memory they count as, in bytes. */
  get memory(): number {
    return this.bytes
  }

  /** How much memory the streams that the peer has opened take besides, in bytes. */
  get streamMemory(): number {
    return this.openedByPeer * streamCost
  }

  /** How many streams are watched. */
  get watched(): number {
    return this.streams?.size ?? 0
  }

  /** The streams that are watched. */
  ids(): Iterable<number> {
    return this.streams?.keys() ?? []
  }

  /** A STREAM frame has come. */
  add(id: number, offset: number, length: number): void {
    const held = this.last !== undefined && this.last.id === id ? this.last : this.of(id)
    if (held.isStopped) return
    const cost = length < smallFragment ? smallFragmentCost : length + fragmentCost
    held.newer += 1
    held.newerBytes += cost
    this.pieces += 1
    this.bytes += cost
    if (offset + length > held.end) held.end = offset + length
  }

  /** A frame without data has come, which opens the stream if the peer may. */
  opened(id: number): void {
    if (id % 2 === this.peerBit) this.of(id)
  }

  private of(id: number): Held {
    const streams = (this.streams ??= new Map())
    let held = streams.get(id)
    if (held === undefined) {
      held = spare.pop() ?? new Held()
      held.id = id
      streams.set(id, held)
      if (id % 2 === this.peerBit) this.openedByPeer += 1
    }
    this.last = held
    return held
  }

  /** The stream was read up to `offset`. */
  read(id: number, offset: number): void {
    const held = this.last !== undefined && this.last.id === id ? this.last : this.streams?.get(id)
    if (held === undefined || offset < held.olderEnd) return
    this.release(held.older, held.olderBytes)
    if (offset >= held.end) {
      this.release(held.newer, held.newerBytes)
      held.newer = held.newerBytes = 0
    }
    held.older = held.newer
    held.olderBytes = held.newerBytes
    held.newer = held.newerBytes = 0
    held.olderEnd = held.end
  }

  /** The peer was asked to stop the stream: the binding has dropped what it had, and keeps nothing that comes. */
  stopped(id: number): void {
    const held = this.of(id)
    this.release(held.older + held.newer, held.olderBytes + held.newerBytes)
    held.older = held.newer = held.olderBytes = held.newerBytes = 0
    held.isStopped = true
  }

  /** The stream has ended. */
  ended(id: number): void {
    const held = this.streams?.get(id)
    if (held === undefined) return
    this.streams!.delete(id)
    if (id % 2 === this.peerBit) this.openedByPeer -= 1
    if (this.last === held) this.last = undefined
    this.release(held.older + held.newer, held.olderBytes + held.newerBytes)
    held.end = held.olderEnd = held.older = held.olderBytes = held.newer = held.newerBytes = 0
    held.isStopped = false
    if (spare.length < maxSpare) spare.push(held)
  }

  /**
   * Forgets the streams that have ended: frames that come late, of a stream that was read, make a record anew. Those that were
   * read are not asked about: `ended` is called for them, unless they were stopped.
   */
  forgetEnded(hasEnded: (id: number) => boolean): void {
    if (this.streams === undefined) return
    for (const [id, { end, isStopped, newer, older }] of this.streams) {
      if ((isStopped || older + newer > 0 || end === 0) && hasEnded(id)) this.ended(id)
    }
  }

  /** Forgets all: the connection closes. */
  clear(): void {
    this.streams = undefined
    this.last = undefined
    this.pieces = this.bytes = this.openedByPeer = 0
  }

  private release(pieces: number, bytes: number): void {
    this.pieces -= pieces
    this.bytes -= bytes
  }
}
