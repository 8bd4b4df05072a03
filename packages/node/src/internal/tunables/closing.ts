/** Tunables of the end: how long a connection is closing, and how a socket shuts down. */

/** How long a connection stays in the closing state at least, in milliseconds: late packets get the close frame again. */
export const minClosingPeriod = 1_000

/** The interval, in milliseconds, at which a socket that shuts down checks whether its close frames have left. */
export const shutdownCheckInterval = 2

/** How many times a socket that shuts down checks whether the close frames have left. */
export const shutdownChecks = 125
