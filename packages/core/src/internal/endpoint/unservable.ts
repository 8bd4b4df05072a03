/**
 * The error of a protocol that cannot be served because of an argument.
 */
import type { InvalidArgument } from "../../InvalidArgument.ts"
import { ProtocolTaken } from "../../ProtocolError.ts"
import * as args from "../arguments.ts"

/** Makes the error. The name may be anything, since callers may have no types. */
export const unservable = (name: unknown, reason: InvalidArgument): ProtocolTaken =>
  new ProtocolTaken({ protocol: typeof name === "string" ? name : args.show(name), reason })
