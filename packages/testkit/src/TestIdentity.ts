/**
 * Identities for tests: the same each time, made at once, and **not secret**.
 *
 * Everybody who reads this file knows the secret key of each of them. An endpoint that others can reach needs an identity
 * of its own: `Identity.generate`, or a file.
 *
 * ```ts
 * import { TestIdentity } from "@qp2p/testkit"
 *
 * Endpoint.make({ identity: TestIdentity.make("ann") })
 * ```
 *
 * @stability unstable
 * @since 0.1.0
 */
import { ed25519 } from "@noble/curves/ed25519.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { utf8ToBytes } from "@noble/hashes/utils.js"
import * as Identity from "@qp2p/core/Identity"
import { ofValue } from "@qp2p/core/InvalidArgument"
import * as PeerId from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { named } from "./internal/checks.ts"

/**
 * Makes the identity with a name or a number: the same one for the same value, on every machine. `1` and `"1"` are the same
 * one. It costs less than a millisecond, and works with every transport.
 *
 * The secret key is the SHA-256 hash of the name, so it is not secret: use it in tests only. Returns an `InvalidArgument`
 * to callers without types for other values.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string | number): Identity.Identity => {
  const wrong = ofValue("name", name, named)
  if (wrong !== undefined) return wrong as never
  const secretKey = sha256(utf8ToBytes(`qp2p test identity ${name}`))
  return {
    peerId: PeerId.fromPublicKey(ed25519.getPublicKey(secretKey)),
    secretKey: Redacted.make(secretKey, { label: "secret key of a test" }),
    // Effect's signatures take a promise, which making an identity does not.
    sign: (message) => Effect.flatMap(Effect.orDie(Identity.fromSecretKey(secretKey)), ({ sign }) => sign(message))
  }
}
