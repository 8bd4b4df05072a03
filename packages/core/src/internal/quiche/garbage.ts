/**
 * Brings on a collection of garbage.
 *
 * That a program has let go of a stream is noticed when its handle is collected. A program that waits for nothing but a
 * place for one more stream makes no garbage, so it may come to that only after minutes. Memory that is asked for and let go
 * of brings it on at once; none of it is touched, so the system need not even provide it.
 */
import { collectionBytes, longestCollectionPause } from "./tunables.ts"

const parts = 4

const collect = (): void => {
  try {
    for (let i = 0; i < parts; i++) void new ArrayBuffer(collectionBytes / parts)
  } catch {
    // There is no room for it: then garbage is collected anyway.
  }
}

export class GarbageCollection {
  private pause = 1
  private left = 0

  /** Called at each look at which a collection may help; less and less often, it brings one on. */
  mayHelp(): void {
    if (this.left > 0) {
      this.left -= 1
      return
    }
    collect()
    this.left = this.pause - 1
    this.pause = Math.min(2 * this.pause, longestCollectionPause)
  }

  /** There is nothing to wait for any more. */
  isOver(): void {
    this.pause = 1
    this.left = 0
  }
}
