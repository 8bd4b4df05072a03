/** The check of the options of what serves a protocol. */
import { type Fields, ofOptions, show } from "@qp2p/core/InvalidArgument"
import { ProtocolTaken } from "@qp2p/core/ProtocolError"

/** Checks options. Returns the error, with what is wrong as its reason; undefined when they pass. `protocol` is the default of the name. */
export const unservable = (options: unknown, fields: Fields, protocol: string): ProtocolTaken | undefined => {
  const reason = ofOptions(options, fields)
  if (reason === undefined) return undefined
  const { protocol: given = protocol } = (options ?? {}) as { readonly protocol?: unknown }
  return new ProtocolTaken({ protocol: typeof given === "string" ? given : show(given), reason })
}
