/**
 * Recognises identities, which callers without types may replace by any value.
 */
import * as Redacted from "effect/Redacted"
import type { Identity } from "../../Identity.ts"
import { problemOfPeerId } from "./peerKey.ts"

/** Tells whether a value is an identity: it has an id, a secret key, and signs. */
export const isIdentity = (value: unknown): value is Identity => {
  if (typeof value !== "object" || value === null) return false
  const { peerId, secretKey, sign } = value as Partial<Record<keyof Identity, unknown>>
  return (
    typeof peerId === "string" &&
    problemOfPeerId(peerId) === undefined &&
    Redacted.isRedacted(secretKey) &&
    typeof sign === "function"
  )
}
