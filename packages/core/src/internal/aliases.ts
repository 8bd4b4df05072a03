/**
 * Lists the addresses under which the peer of a connection is found.
 */
import * as Option from "effect/Option"
import type { Connection } from "../Connection.ts"
import { addressKey } from "./addressKey.ts"

/** Returns the keys of the addresses of a connection: where its peer is, and where it was dialled. */
export const aliasesOf = ({
  dialledAddress,
  remoteAddress
}: Pick<Connection, "dialledAddress" | "remoteAddress">): ReadonlyArray<string> => {
  const key = addressKey(remoteAddress)
  const dialled = Option.isSome(dialledAddress) ? addressKey(dialledAddress.value) : key
  return dialled === key ? [key] : [key, dialled]
}
