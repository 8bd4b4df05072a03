/**
 * The TLS side of the peers that attack: the one file to change when handshakes need another certificate. It takes what
 * the driver itself takes, so an attacker is a peer like every other until its handshake is complete.
 */
import * as Identity from "@qp2p/core/Identity"
import * as Effect from "effect/Effect"
import * as certificate from "../../../dist/internal/binding/certificate.js"
import * as native from "../../../dist/internal/binding/native.js"
import * as nativeConfig from "../../../dist/internal/binding/nativeConfig.js"

/** The native binding. */
export const quiche = await Effect.runPromise(native.load)

/** Milliseconds. Attackers do not time out before the node does. */
const idleTimeout = 600_000

/** One config is shared: each has a certificate, whose key takes longer to make than a handshake. */
const made = new Map()

/** A key of an attacker's own: where both sides show a certificate, it is made from an identity. */
const selfSigned = Effect.isEffect(certificate.selfSigned)
  ? certificate.selfSigned
  : Effect.flatMap(Identity.generate, certificate.selfSigned)

const make = async (maxPayload) => {
  const credentials = await Effect.runPromise(selfSigned)
  const config = nativeConfig.configs(quiche, { credentials, idleTimeout })(maxPayload)
  config.logKeys()
  return config
}

/** The config of attackers whose UDP payloads have at most `maxPayload` bytes. The key log is on. */
export const configOf = (maxPayload) => {
  if (!made.has(maxPayload)) made.set(maxPayload, make(maxPayload))
  return made.get(maxPayload)
}

/** The server name that a dial sends. */
export const { serverName } = certificate
