/**
 * The 1-RTT keys of a connection, from the TLS key log of the peer that we play (RFC 9001, section 5; RFC 8446, section
 * 7).
 */
import { createHmac } from "node:crypto"
import { readFileSync } from "node:fs"

/** HKDF-Expand-Label (RFC 8446, section 7.1) for up to 32 bytes and no context. */
const expandLabel = (secret, label, length) => {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.from([0, length, name.length, ...name, 0, 1])
  return createHmac("sha256", secret).update(info).digest().subarray(0, length)
}

/** The key, the IV and the header protection key of AEAD_AES_128_GCM. */
export const fromSecret = (secret) => ({
  key: expandLabel(secret, "quic key", 16),
  iv: expandLabel(secret, "quic iv", 12),
  headerKey: expandLabel(secret, "quic hp", 16)
})

/** The keys of a client's Initial packets (RFC 9001, section 5.2). */
export const ofInitial = (dcid) => {
  const salt = Buffer.from("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", "hex")
  const initial = createHmac("sha256", salt).update(dcid).digest()
  return fromSecret(expandLabel(initial, "client in", 32))
}

/** Reads a key log in NSS format. `label` is `CLIENT_TRAFFIC_SECRET_0` for what the client sends. */
export const fromKeyLog = (path, label = "CLIENT_TRAFFIC_SECRET_0") => {
  const line = readFileSync(path, "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${label} `))
  if (line === undefined) throw new Error(`the key log has no ${label}`)
  const secret = Buffer.from(line.split(" ")[2], "hex")
  if (secret.length !== 32) throw new Error("the handshake chose another cipher suite than AES-128-GCM or ChaCha20")
  return fromSecret(secret)
}
