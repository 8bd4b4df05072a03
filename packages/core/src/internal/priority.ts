/** Normalises the priorities of messages and streams. */

/** Truncates a priority to an integer, as transports require. A priority that is not finite becomes 0. */
export const normalizePriority = (priority: number | undefined): number =>
  priority === undefined || !Number.isFinite(priority) ? 0 : Math.trunc(priority)
