/**
 * Finds out from a gateway's epoch whether it lost its mappings. The epoch counts the seconds since the gateway last
 * lost them; it has lost them again when the epoch falls behind the clock.
 */

/** An epoch, in seconds, and its time of arrival, in seconds of the monotonic clock. */
export interface Sample {
  readonly epoch: number
  readonly at: number
}

/** Decides whether the gateway lost its mappings between two samples of its epoch. */
export type Rule = (previous: Sample, next: Sample) => boolean

/** RFC 6886, section 3.6: the gateway's clock may be slower by one eighth, plus two seconds. */
export const natPmp: Rule = (previous, next) => {
  const expected = previous.epoch + ((next.at - previous.at) * 7) / 8
  return next.epoch >= expected - 2
}

/**
 * RFC 6887, section 8.5: either clock may be slower by one sixteenth, plus two seconds; answers may be reordered by one
 * second.
 */
export const pcp: Rule = (previous, next) => {
  if (next.epoch < previous.epoch - 1) return false
  const ours = next.at - previous.at
  const theirs = next.epoch - previous.epoch
  return ours + 2 >= theirs - theirs / 16 && theirs + 2 >= ours - ours / 16
}
