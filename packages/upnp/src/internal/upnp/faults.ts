/** Translates UPnP fault codes to errors. */
import { MappingConflict, MappingNotAuthorized } from "@qp2p/core/PortMapperError"
import type { GatewayError } from "./candidates.ts"
import * as http from "./http.ts"
import type * as soap from "./soap.ts"

/** Fault codes of WANIPConnection 1 and 2, and of the UPnP Device Architecture. */
export const faults = {
  invalidArgs: 402,
  actionFailed: 501,
  argumentInvalid: 600,
  textTooLong: 605,
  notAuthorized: 606,
  noSuchEntry: 714,
  conflict: 718,
  samePortsRequired: 724,
  onlyPermanentLeases: 725,
  conflictWithOtherMechanisms: 729
}

/** Whether a fault code says that another mapping has the external port. */
export const isConflict = (code: number): boolean =>
  code === faults.conflict || code === faults.conflictWithOtherMechanisms

/** Translates a failed SOAP call to an error, by its UPnP fault code. */
export const errorOf = ({ gateway }: soap.Control, externalPort: number, error: soap.CallError): GatewayError => {
  if (error._tag === "Unreadable") return http.protocolError(gateway, error.detail)
  if (error._tag !== "Fault") return error
  if (isConflict(error.code)) return new MappingConflict({ gateway, externalPort })
  if (error.code === faults.notAuthorized) return new MappingNotAuthorized({ gateway })
  return http.protocolError(gateway, error.description || `fault ${error.code}`, error.code)
}
