/** Priorities of messages and streams. */

/** Makes a priority a whole number, as transports take it: what is not finite becomes 0. */
export const wholePriority = (priority: number | undefined): number =>
  priority === undefined || !Number.isFinite(priority) ? 0 : Math.trunc(priority)
