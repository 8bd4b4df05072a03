/**
 * QUIC transport parameters (RFC 9000, section 18.2) and TLS settings, as the binding takes them. Making a config costs more
 * than a packet, so the connections of a socket share one for each maximum payload.
 */
import * as Redacted from "effect/Redacted"
import type { Credentials } from "./certificate.ts"
import type { NativeConfig, Quiche } from "./native.ts"
import { maxDatagramsInPacket, maxQueuedDatagrams } from "../tunables/datagrams.ts"
import * as tunables from "../tunables/streams.ts"

/** The ALPN identifier (RFC 7301). BoringSSL requires one; qp2p's own Rust crate sends none. */
const alpn = "qp2p/1"

/** The largest UDP payload that this side accepts, in bytes: all that UDP carries (RFC 9000, section 18.2). */
const maxReceivePayload = 65_527

/** The largest UDP payload that the binding makes, in bytes. */
export const maxSendPayload = 16_383

/**
 * The flow-control window of a connection, in bytes: too large to limit anything. The binding starts with 48 KiB in any case, and
 * extends the window only while less than half of it is unread: one stream that is not read, or that was reset unread, would
 * block all other streams. The binding does not repeat a lost MAX_DATA frame either. Only the flow control of streams limits
 * a sender.
 */
const connectionWindow = 2 ** 50

/** The settings that differ between sockets: the certificate and the idle timeout. */
export interface Options {
  readonly credentials: Credentials
  /** In milliseconds; `Infinity` for no timeout. */
  readonly idleTimeout: number
}

/** Returns the config of connections whose UDP payloads have at most `maxPayload` bytes. Makes one config for each size. */
export const configs = (quiche: Quiche, options: Options): ((maxPayload: number) => NativeConfig) => {
  const made = new Map<number, NativeConfig>()
  return (maxPayload) => {
    let config = made.get(maxPayload)
    if (config === undefined) made.set(maxPayload, (config = make(quiche, options, maxPayload)))
    return config
  }
}

/** BBR, as the binding numbers it: its enumeration exists at compile time only. */
const congestionControl = 2

const make = (quiche: Quiche, options: Options, maxPayload: number): NativeConfig => {
  const { certificate, key } = options.credentials
  // Both sides must show a certificate, and any self-signed one will do: the driver checks its key. Without named signature
  // algorithms the binding offers none that an Ed25519 key can make.
  const config = quiche.Config.withBoringSslCtx(true, true, null, [Redacted.value(key)], [certificate], "ed25519")
  config.setApplicationProtos([alpn])
  // 0 stands for no timeout (RFC 9000, section 10.1). The binding aborts the process on a negative number, and during a
  // handshake on one that does not fit a variable-length integer (section 16).
  config.setMaxIdleTimeout(
    Number.isFinite(options.idleTimeout)
      ? Math.min(Math.max(1, Math.ceil(options.idleTimeout)), Number.MAX_SAFE_INTEGER)
      : 0
  )
  config.setMaxRecvUdpPayloadSize(maxReceivePayload)
  config.setMaxSendUdpPayloadSize(maxPayload)
  config.setInitialMaxData(connectionWindow)
  config.setInitialMaxStreamDataBidiLocal(tunables.initialLocalStreamWindow)
  config.setInitialMaxStreamDataBidiRemote(tunables.initialStreamWindow)
  config.setInitialMaxStreamDataUni(tunables.initialStreamWindow)
  config.setInitialMaxStreamsBidi(tunables.streamCredit)
  config.setInitialMaxStreamsUni(tunables.streamCredit)
  config.setMaxStreamWindow(tunables.maxStreamWindow)
  // The driver follows a peer's address (`path/pathValidation.ts`): path migration inside the binding is how CVE-2025-7054
  // freezes the process.
  config.setDisableActiveMigration(true)
  config.enableDgram(true, maxDatagramsInPacket, maxQueuedDatagrams)
  // Pacing only computes when a packet should leave, and the driver does not wait for that time.
  config.enablePacing(false)
  // With CUBIC or Reno and without pacing, quiche 0.18 stamps a packet with the time of an earlier one, up to four round trips
  // before when the window is small. On a path that loses a few percent, the round-trip estimate and the retransmission timer
  // then grow up to minutes. BBR has its own pacer, and its stamps are right.
  config.setCcAlgorithm(congestionControl)
  // Early data stays off: another server would accept a captured first flight again.
  return config
}
