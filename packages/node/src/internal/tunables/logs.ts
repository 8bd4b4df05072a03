/** Tunables of the log: how many lines packets and peers may cause. */

/** The least time between two log lines about packets that the system refuses to send, in milliseconds. */
export const refusalLogInterval = 1_000

/** The interval for which the limits of log lines about peers hold, in milliseconds. */
export const logInterval = 1_000

/** The most lines in such an interval about peers at one IP address, or in one /64 of IPv6. */
export const maxLogLinesPerIp = 4

/** The most lines in such an interval about all peers. */
export const maxLogLines = 32
