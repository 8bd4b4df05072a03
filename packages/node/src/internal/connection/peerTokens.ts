/**
 * The stateless reset tokens that a peer has sent with its connection ids (RFC 9000, section 10.3.1), which the binding
 * ignores: it knows only the token of a server's transport parameters. Only the token of the id in use counts, since the peer
 * may not know the others.
 *
 * They are one text, because every connection has them, and most never use them: for each id its length as a character, the id,
 * and its token.
 */
import { idKey, keyOf } from "../packets/packetHeader.ts"
import { resetTokenLength } from "../packets/resetToken.ts"

/** How many ids of a peer the binding keeps: the least `active_connection_id_limit` (RFC 9000, section 18.2). */
const maxIds = 2

/** The tokens of a peer whose first id begins at the offset `at` in a packet, with its token behind it. */
export const firstToken = (packet: Uint8Array, at: number, length: number): string =>
  String.fromCharCode(length) + idKey(packet, at, at + length + resetTokenLength)

/**
 * Adds an id of the peer's to `tokens`: it begins at the offset `at` in a packet, and its token is behind it. The oldest id
 * makes room for it, but not the one in use, `current`.
 */
export const withToken = (
  tokens: string,
  current: Uint8Array,
  packet: Uint8Array,
  at: number,
  length: number
): string => {
  const entry = firstToken(packet, at, length)
  if (tokens === "") return entry
  const id = idOf(entry)
  const others = entriesOf(tokens).filter((entry) => idOf(entry) !== id)
  while (others.length >= maxIds) others.splice(idOf(others[0]!) === keyOf(current) ? 1 : 0, 1)
  return flat([...others, entry].join(""))
}

/** A map key for the token of the id `current`: empty if it has none. */
export const tokenOf = (tokens: string, current: Uint8Array): string => {
  const id = keyOf(current)
  const entry = entriesOf(tokens).find((entry) => idOf(entry) === id)
  return entry === undefined ? "" : flat(entry.slice(1 + current.length))
}

const entriesOf = (tokens: string): Array<string> => {
  const entries: Array<string> = []
  for (let at = 0; at < tokens.length;) {
    const end = at + 1 + tokens.charCodeAt(at) + resetTokenLength
    entries.push(tokens.slice(at, end))
    at = end
  }
  return entries
}

const idOf = (entry: string): string => entry.slice(1, 1 + entry.charCodeAt(0))

/** A copy that keeps nothing of the texts that a text was made of. */
const flat = (text: string): string => Buffer.from(text, "latin1").toString("latin1")
