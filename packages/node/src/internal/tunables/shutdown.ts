/** Tunables of the shutdown of a socket. */

/** The interval, in milliseconds, at which a socket that shuts down checks whether its close frames have left. */
export const shutdownCheckInterval = 2

/** How many times a socket that shuts down checks whether the close frames have left. */
export const shutdownChecks = 125
