/**
 * Checks by name that a loaded binding has every method that the driver calls. Binaries have no version
 * that a program can read, and a missing method would otherwise fail in the middle of a connection.
 */
import type { Config, ConfigConstructor, Connection, ConnectionConstructor, Quiche } from "./quiche.ts"

/** Every name of the interface: the compiler demands one entry for each, so nothing can be forgotten here. */
type Names<A> = { readonly [K in keyof A]: true }

const functions: Names<Omit<Quiche, "Config" | "Connection">> = { retry: true }

const configConstructor: Names<ConfigConstructor> = { withBoringSslCtx: true }

const config: Names<Config> = {
  setApplicationProtos: true,
  setMaxIdleTimeout: true,
  setMaxRecvUdpPayloadSize: true,
  setMaxSendUdpPayloadSize: true,
  setInitialMaxData: true,
  setInitialMaxStreamDataBidiLocal: true,
  setInitialMaxStreamDataBidiRemote: true,
  setInitialMaxStreamDataUni: true,
  setInitialMaxStreamsBidi: true,
  setInitialMaxStreamsUni: true,
  setMaxStreamWindow: true,
  setDisableActiveMigration: true,
  setStatelessResetToken: true,
  enablePacing: true,
  enableDgram: true,
  setCcAlgorithm: true
}

const connectionConstructor: Names<ConnectionConstructor> = { connect: true, accept: true }

const connection: Names<Connection> = {
  recv: true,
  send: true,
  timeout: true,
  onTimeout: true,
  sendAckEliciting: true,
  close: true,
  isEstablished: true,
  peerCertChain: true,
  isDraining: true,
  isClosed: true,
  isTimedOut: true,
  peerError: true,
  localError: true,
  stats: true,
  pathStats: true,
  sourceId: true,
  destinationId: true,
  newSourceCid: true,
  retiredScidNext: true,
  dgramMaxWritableLen: true,
  dgramSend: true,
  dgramSendQueueByteSize: true,
  dgramPurgeOutgoing: true,
  dgramRecv: true,
  isReadable: true,
  readable: true,
  peerStreamsLeftBidi: true,
  peerStreamsLeftUni: true,
  streamRecv: true,
  streamSend: true,
  streamPriority: true,
  streamShutdown: true,
  streamCapacity: true,
  streamReadable: true,
  streamWritable: true,
  streamFinished: true
}

/** What the driver calls, as paths into the binding: `Connection.prototype.recv`. */
export const names: ReadonlyArray<string> = [
  ...Object.keys(functions),
  ...Object.keys(configConstructor).map((name) => `Config.${name}`),
  ...Object.keys(config).map((name) => `Config.prototype.${name}`),
  ...Object.keys(connectionConstructor).map((name) => `Connection.${name}`),
  ...Object.keys(connection).map((name) => `Connection.prototype.${name}`)
]

/** The names in `names` that are not functions in `binding`. */
export const missing = (binding: unknown): ReadonlyArray<string> =>
  names.filter((path) => typeof at(binding, path) !== "function")

const at = (binding: unknown, path: string): unknown =>
  path.split(".").reduce((value, key) => (isObject(value) ? value[key] : undefined), binding)

const isObject = (value: unknown): value is Record<string, unknown> =>
  (typeof value === "object" && value !== null) || typeof value === "function"
