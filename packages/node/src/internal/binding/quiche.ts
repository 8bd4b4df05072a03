/**
 * The native QUIC binding as this package uses it: an interface of our own.
 *
 * The types of `@matrixai/quic` declare methods that its binary does not have (`maxActiveSourceCids`), and enums that exist
 * as numbers only. Every method of this file exists in every published binary and has a caller; `surface.ts` checks the
 * names when the binding loads, and `quiche.types.test.ts` checks it against the types of the package.
 */

/** An IP address without zone and without brackets, and a port. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Where a packet came from, and which of our addresses it came to. */
export interface RecvInfo {
  readonly from: HostPort
  readonly to: HostPort
}

/** Counts of one connection, over all of its life. */
export interface Stats {
  /** Packets. */
  readonly recv: number
  readonly sent: number
  readonly lost: number
  /** Bytes of UDP payload. */
  readonly recvBytes: number
  /** What the peer's transport parameters say: milliseconds, 0 for none, and how many of our connection ids it stores. */
  readonly peerMaxIdleTimeout: number
  readonly peerActiveConnIdLimit: number
}

/** Counts and measurements of one path. */
export interface PathStats {
  /** Packets. */
  readonly recv: number
  readonly sent: number
  readonly lost: number
  /** Bytes. */
  readonly recvBytes: number
  readonly sentBytes: number
  readonly lostBytes: number
  /** Bytes that may be unacknowledged at once. */
  readonly cwnd: number
  /** Bytes of the largest packet. */
  readonly pmtu: number
  /** Smoothed round-trip time in milliseconds. */
  readonly rtt: number
}

/** Why a connection ended, as one side said. */
export interface CloseError {
  readonly isApp: boolean
  readonly errorCode: number
  readonly reason: Uint8Array
}

/** TLS settings and transport parameters. Setters abort the process on numbers below 0. */
export interface Config {
  setApplicationProtos(protocols: Array<string>): void
  /** Milliseconds; 0 is no timeout. */
  setMaxIdleTimeout(timeout: number): void
  setMaxRecvUdpPayloadSize(bytes: number): void
  setMaxSendUdpPayloadSize(bytes: number): void
  setInitialMaxData(bytes: number): void
  setInitialMaxStreamDataBidiLocal(bytes: number): void
  setInitialMaxStreamDataBidiRemote(bytes: number): void
  setInitialMaxStreamDataUni(bytes: number): void
  setInitialMaxStreamsBidi(streams: number): void
  setInitialMaxStreamsUni(streams: number): void
  setMaxStreamWindow(bytes: number): void
  setDisableActiveMigration(disabled: boolean): void
  /** The token of the next connections that are accepted, for the id of their handshake, or none. Dialled ones have none. */
  setStatelessResetToken(token: bigint | null): void
  enablePacing(enabled: boolean): void
  /** Whether datagrams are taken (RFC 9221), and how many wait at most: the oldest that arrived is dropped for the newest. */
  enableDgram(enabled: boolean, recvQueueLength: number, sendQueueLength: number): void
  /** 0 Reno, 1 CUBIC, 2 BBR. */
  setCcAlgorithm(algorithm: number): void
}

/**
 * Makes configs. `verifyPeer` and `verifyAllowFail` decide on certificates; certificates and keys are PEM in bytes.
 */
export interface ConfigConstructor {
  /** PEM in bytes. An empty list of keys aborts the process. */
  withBoringSslCtx(
    verifyPeer: boolean,
    verifyAllowFail: boolean,
    ca: Uint8Array | null,
    key: Array<Uint8Array> | null,
    cert: Array<Uint8Array> | null,
    signatureAlgorithms: string | null
  ): Config
}

/** One QUIC connection. It has no socket and no timer. Errors are plain `Error`s whose message is the code: `errorCodes.ts`. */
export interface Connection {
  /** Processes a packet and decrypts it in place. */
  recv(packet: Uint8Array, info: RecvInfo): number
  /** Writes the next packet: its length, or null when there is none or `buffer` is too small for it. */
  send(buffer: Uint8Array): [length: number, info: unknown] | null
  /** Milliseconds until `onTimeout` is due, rounded down; null when no timer runs. */
  timeout(): number | null
  onTimeout(): void
  /** Queues a PING unless another packet that must be acknowledged is to be sent. */
  sendAckEliciting(): void
  /** Codes below 0 or from 2^62 on abort the process; reasons over 1,000 bytes are never sent. */
  close(application: boolean, code: number, reason: Uint8Array): void | null

  isEstablished(): boolean
  /** The certificates that the peer has shown, its own first, in DER. Only certain once `isEstablished`. */
  peerCertChain(): Array<Uint8Array> | null
  isDraining(): boolean
  isClosed(): boolean
  isTimedOut(): boolean
  peerError(): CloseError | null
  localError(): CloseError | null
  stats(): Stats
  pathStats(): Array<PathStats>

  sourceId(): Uint8Array
  destinationId(): Uint8Array
  newSourceCid(id: Uint8Array, resetToken: bigint, retireIfNeeded: boolean): number
  /** The next of our ids that the peer has retired. */
  retiredScidNext(): Uint8Array | null

  /** The most bytes of a datagram in the largest packet; null when the peer takes none. */
  dgramMaxWritableLen(): number | null
  /** Queues a datagram: null when the queue is full. It throws for one that is too large, and when the peer takes none. */
  dgramSend(datagram: Uint8Array): void | null
  dgramSendQueueByteSize(): number
  /** Drops the queued datagrams for which `drops` returns true. */
  dgramPurgeOutgoing(drops: (datagram: Uint8Array) => boolean): void
  /** The length of the oldest datagram that has arrived, which is taken into `buffer`; null when there is none. */
  dgramRecv(buffer: Uint8Array): number | null

  /** Also true while a datagram that has arrived was not taken. */
  isReadable(): boolean
  readable(): Iterable<number>
  peerStreamsLeftBidi(): number
  peerStreamsLeftUni(): number
  /** Bytes and whether the stream has ended, or null when there is nothing to read. */
  streamRecv(id: number, buffer: Uint8Array): [length: number, fin: boolean] | null
  /** Bytes taken; null when the stream is blocked or gone. */
  streamSend(id: number, bytes: Uint8Array, fin: boolean): number | null
  /** Lower urgency first. */
  streamPriority(id: number, urgency: number, incremental: boolean): void
  /** Direction 0 stops reading, 1 stops writing. Codes as for `close`. */
  streamShutdown(id: number, direction: 0 | 1, code: number): void | null
  streamCapacity(id: number): number
  streamReadable(id: number): boolean
  streamWritable(id: number, bytes: number): boolean
  streamFinished(id: number): boolean
}

/**
 * Makes connections: `connect` as the client, `accept` as the server. A connection id has at most 20 bytes (RFC 9000, section 17.2).
 */
export interface ConnectionConstructor {
  connect(
    serverName: string | null,
    sourceId: Uint8Array,
    local: HostPort,
    remote: HostPort,
    config: Config
  ): Connection
  accept(
    sourceId: Uint8Array,
    /** The destination id of the first Initial packet when a Retry packet preceded this one. */
    originalId: Uint8Array | null | undefined,
    local: HostPort,
    remote: HostPort,
    config: Config
  ): Connection
}

/** The binding itself. */
export interface Quiche {
  readonly Config: ConfigConstructor
  readonly Connection: ConnectionConstructor
  /** Writes a Retry packet and returns its length. */
  retry(
    sourceId: Uint8Array,
    destinationId: Uint8Array,
    newSourceId: Uint8Array,
    token: Uint8Array,
    version: number,
    out: Uint8Array
  ): number
}
