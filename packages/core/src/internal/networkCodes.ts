/** The system's error codes whose cause is the current state of the network, which may change. */
const transient = new Set(["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "ENODEV"])

/** Tells whether an operation that failed with the system's `code` may succeed after a change of the network. */
export const isTransientCode = (code: string): boolean => transient.has(code)
