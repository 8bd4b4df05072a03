/** Codes of the system that tell of the network as it is now: it may be another in a moment. */
const passing = new Set(["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "ENODEV"])

/** Whether what the system refused with `code` may be possible later, with nothing changed but the network. */
export const mayPass = (code: string): boolean => passing.has(code)
