/**
 * The seniority of connections: which of several connections between two peers is the oldest, the same for both peers.
 *
 * Both know the source connection id of the client's first packet, and it decides: the least is the oldest. Its first byte is
 * one more than that of the connections which the dialling side knows with that peer (Lamport's clock), so a later connection
 * comes after an earlier one. Dials that cross have the same first byte; then the random rest decides.
 */
import { randomId } from "../packets/connectionId.ts"

/** Makes the connection id of a dial that comes after the connections with the seniorities `known`. */
export const connectionId = (known: Iterable<string>): Uint8Array => {
  const id = randomId()
  let rank = 0
  for (const other of known) rank = Math.max(rank, rankOf(other) + 1)
  id[0] = Math.min(rank, 0xff)
  return id
}

const rankOf = (seniority: string): number => (seniority === "" ? 0 : seniority.charCodeAt(0))
