/**
 * The counters of a connection, as the contract of `Transport` has them.
 */
import * as Duration from "effect/Duration"
import type { ConnectionStats } from "@qp2p/core/Transport"
import type { NativeConnection } from "../binding/native.ts"

/** Reads the binding's counters. They are all zero as long as the connection has no path. */
export const statsOf = (
  native: NativeConnection,
  packetsRefused: number,
  datagrams: { readonly dropped: number; readonly unsent: number } | undefined
): ConnectionStats => {
  const path = native.pathStats()[0]
  return {
    roundTripTime: Duration.millis(path?.rtt ?? 0),
    packetsSent: path?.sent ?? 0,
    packetsReceived: path?.recv ?? 0,
    packetsLost: path?.lost ?? 0,
    packetsRefused,
    bytesSent: path?.sentBytes ?? 0,
    bytesReceived: path?.recvBytes ?? 0,
    congestionWindow: path?.cwnd ?? 0,
    datagramsDropped: datagrams?.dropped ?? 0,
    datagramsUnsent: datagrams?.unsent ?? 0
  }
}
