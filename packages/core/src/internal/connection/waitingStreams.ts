/**
 * The streams of a connection that wait for room in a queue of the application.
 */
import type { Wait } from "../waitList.ts"
import { maxStreamsReadWithoutRoom } from "./limits.ts"

/** A stream that waits for room. */
export interface WaitingStream {
  /** The queue has room. */
  readonly onRoom: () => void
  /** The connection has ended, and the application gets nothing more of the stream. */
  readonly drop: () => void
}

/** The view of a queue that `WaitingStreams` needs. */
export interface RoomQueue {
  readonly onRoom: (callback: () => void, first?: boolean) => Wait
  readonly cancelRoom: (wait: Wait) => void
}

interface Entry {
  readonly queue: RoomQueue
  readonly wait: Wait
  readonly isRead: boolean
}

/** The streams of a connection that wait for room, each once. */
export class WaitingStreams {
  /** Made with the first stream that waits. */
  private entries: Map<WaitingStream, Entry> | undefined = undefined
  private readCount = 0

  /** The number of streams that wait. */
  get size(): number {
    return this.entries?.size ?? 0
  }

  /** Whether another stream may be read although there is no room for it. */
  get mayReadAnother(): boolean {
    return this.readCount < maxStreamsReadWithoutRoom
  }

  /**
   * Calls `stream.onRoom` once, when the queue has room. `isRead` says that the stream's bytes have been read. `first` puts it
   * before all others. A stream waits once at a time.
   */
  add(
    queue: RoomQueue,
    stream: WaitingStream,
    { first, isRead }: { readonly first: boolean; readonly isRead: boolean }
  ) {
    const wait = queue.onRoom(() => {
      this.delete(stream)
      stream.onRoom()
    }, first)
    ;(this.entries ??= new Map()).set(stream, { queue, wait, isRead })
    if (isRead) this.readCount += 1
  }

  /** Ends the wait of a stream, if it waits. */
  remove(stream: WaitingStream): void {
    const entry = this.delete(stream)
    entry?.queue.cancelRoom(entry.wait)
  }

  /** Ends all waits and drops what has been read. */
  dropAll(): void {
    for (const stream of this.entries?.keys() ?? []) {
      this.remove(stream)
      stream.drop()
    }
  }

  private delete(stream: WaitingStream): Entry | undefined {
    const entry = this.entries?.get(stream)
    if (entry === undefined) return undefined
    this.entries!.delete(stream)
    if (entry.isRead) this.readCount -= 1
    return entry
  }
}
