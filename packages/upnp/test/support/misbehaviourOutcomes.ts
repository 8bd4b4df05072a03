/**
 * The outcomes of `NatUpnp` as text, with "router" for the address of the first router and "second" for that of the other.
 */

/** A router that does nothing wrong says 203.0.113.1, and is asked for the internal port. */
export const mapped = "mapped 203.0.113.1:4433"

export const timedOut = "PortMapperTimedOut router"

export const protocolError = (reason: string) => `GatewayProtocolError router ${reason}`

export const unreadable = (status: number) => protocolError(`a description that cannot be read (HTTP ${status})`)
export const noAnswerTo = (action: string, status: number) =>
  protocolError(`no answer to ${action} that can be read (HTTP ${status})`)
export const tooLarge = protocolError("a body that is too large")
export const redirect = protocolError("a redirect, which is not followed")
export const noHttp = protocolError("something that is not HTTP")
export const reset = protocolError("nothing, and then the connection was reset")
export const resetWithin = protocolError("a part of it, and then the connection was reset")
export const endsEarly = protocolError("less than the length that it states")
