/**
 * A gateway counts the seconds since it last lost its mappings. When that count does not go on with the time, it has lost
 * them again.
 */

/** A count, in seconds, and when it came, in seconds of a clock of ours. */
export interface Sample {
  readonly epoch: number
  readonly at: number
}

export type Rule = (previous: Sample, next: Sample) => boolean

/** RFC 6886, section 3.6: clocks of gateways may lose an eighth, and two seconds. */
export const natPmp: Rule = (previous, next) => {
  const expected = previous.epoch + ((next.at - previous.at) * 7) / 8
  return next.epoch >= expected - 2
}

/** RFC 6887, section 8.5: either clock may lose a sixteenth, and two seconds; an answer may overtake another by one. */
export const pcp: Rule = (previous, next) => {
  if (next.epoch < previous.epoch - 1) return false
  const ours = next.at - previous.at
  const theirs = next.epoch - previous.epoch
  return ours + 2 >= theirs - theirs / 16 && theirs + 2 >= ours - ours / 16
}
