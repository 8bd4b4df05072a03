/**
 * QUIC transport parameters (RFC 9000, section 18.2) and TLS settings. Making a native config costs more than a packet,
 * so a socket makes one for each maximum of the payload, and shares it among its connections.
 */
import type { Credentials } from "./certificate.ts"
import type { NativeConfig, Quiche } from "./native.ts"
import * as tunables from "../tunables.ts"

export interface Options {
  readonly credentials: Credentials
  /** Milliseconds; `Infinity` never times out. */
  readonly idleTimeout: number
}

/** Makes the config for connections whose packets have at most so many bytes. */
export const configs = (quiche: Quiche, options: Options): ((maxPayload: number) => NativeConfig) => {
  const made = new Map<number, NativeConfig>()
  return (maxPayload) => {
    let config = made.get(maxPayload)
    if (config === undefined) made.set(maxPayload, (config = make(quiche, options, maxPayload)))
    return config
  }
}

/** BBR, in the binding's numbers: its enumeration exists at compile time only. */
const congestionControl = 2

const make = (quiche: Quiche, options: Options, maxPayload: number): NativeConfig => {
  const { certificate, key } = options.credentials
  const config = quiche.Config.withBoringSslCtx(false, false, null, [key], [certificate], null)
  config.setApplicationProtos([tunables.alpn])
  // 0 means that there is none (RFC 9000, section 10.1); the binding aborts the process on a negative number, and in a
  // handshake on one that does not fit a variable-length integer (section 16).
  config.setMaxIdleTimeout(
    Number.isFinite(options.idleTimeout)
      ? Math.min(Math.max(1, Math.ceil(options.idleTimeout)), Number.MAX_SAFE_INTEGER)
      : 0
  )
  config.setMaxRecvUdpPayloadSize(tunables.maxReceivePayload)
  config.setMaxSendUdpPayloadSize(maxPayload)
  config.setInitialMaxData(tunables.connectionCredit)
  config.setInitialMaxStreamDataBidiLocal(tunables.initialLocalStreamWindow)
  config.setInitialMaxStreamDataBidiRemote(tunables.initialStreamWindow)
  config.setInitialMaxStreamDataUni(tunables.initialStreamWindow)
  config.setInitialMaxStreamsBidi(tunables.streamCredit)
  config.setInitialMaxStreamsUni(tunables.streamCredit)
  config.setMaxStreamWindow(tunables.maxStreamWindow)
  // We follow a peer's address ourselves (see the socket's pinning); path migration inside the binding is how
  // CVE-2025-7054 freezes it.
  config.setDisableActiveMigration(true)
  // Pacing only computes the time at which a packet should leave; nothing here would wait for it.
  config.enablePacing(false)
  // With CUBIC or Reno, quiche 0.18 stamps packets with the time of an earlier one when they are not paced: by up to four
  // round trips when the window is small. The round-trip time then feeds on itself, on a path that loses a few percent up to
  // minutes, and the retransmission timer with it. BBR has a pacer of its own, whose stamps are right.
  config.setCcAlgorithm(congestionControl)
  // Early data is never enabled: a captured first flight would be accepted again by another server.
  return config
}
