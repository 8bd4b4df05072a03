import { native } from "@matrixai/quic"
import type { Contender, Options } from "../contender.ts"
import { Counter } from "./counting.ts"
import { selfSigned } from "./certificate.ts"
import { PlainSocket } from "./plainLoop/socket.ts"

const defaultPayload = 1350
const streamWindow = 4 << 20
const connectionWindow = 2 ** 50
const streams = 4096

const payloadOf = (options: Options): number => options.maxUdpPayload ?? defaultPayload

const configOf = async (options: Options): Promise<native.Config> => {
  const { cert, key } = await selfSigned()
  const payload = payloadOf(options)
  const config = native.quiche.Config.withBoringSslCtx(
    false,
    false,
    null,
    [Buffer.from(key)],
    [Buffer.from(cert)],
    null
  )
  config.setApplicationProtos(["qp2p/1"])
  config.grease(false)
  config.setMaxIdleTimeout(60_000)
  config.setMaxRecvUdpPayloadSize(65_527)
  config.setMaxSendUdpPayloadSize(payload)
  config.setInitialMaxData(connectionWindow)
  config.setInitialMaxStreamDataBidiLocal(streamWindow)
  config.setInitialMaxStreamDataBidiRemote(streamWindow)
  config.setInitialMaxStreamDataUni(streamWindow)
  config.setMaxStreamWindow(streamWindow)
  config.setInitialMaxStreamsBidi(streams)
  config.setInitialMaxStreamsUni(streams)
  config.setDisableActiveMigration(true)
  config.enablePacing(false)
  return config
}

const peerOf = (address: string): native.Host => {
  const [host = "", port] = address.split(":")
  return { host, port: Number(port) }
}

/** What the library's QUIC binding gives when nothing stands between it and the socket: no limits, no retries, no typed errors. */
export const contender: Contender = {
  name: "plain-loop",
  about:
    "the native binding of @matrixai/quic 2.0.9 and node:dgram in a loop, a stream per message; confirmed by QUIC's acknowledgement of the stream",
  carrier: "udp",
  overQuic: true,
  listen: async (options) => {
    const counter = new Counter()
    const socket = await PlainSocket.open(await configOf(options), payloadOf(options), counter)
    return {
      address: `127.0.0.1:${socket.address.port}`,
      counts: counter.counts,
      close: () => socket.close()
    }
  },
  dial: async (address, options) => {
    const socket = await PlainSocket.open(await configOf(options), payloadOf(options))
    return socket.dial(peerOf(address), true)
  },
  dialler: async (options) => {
    const socket = await PlainSocket.open(await configOf(options), payloadOf(options))
    return {
      connect: (address) => socket.dial(peerOf(address), false),
      close: () => socket.close()
    }
  }
}
