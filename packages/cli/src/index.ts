/**
 * The parts of the `qp2p` command, for programs that want the same file transfer or the same formatting.
 *
 * @since 0.1.0
 */
export * as FileName from "./FileName.ts"
export * as FileReceiver from "./FileReceiver.ts"
export * as FileTransfer from "./FileTransfer.ts"
export * as Format from "./Format.ts"
export * as Peers from "./Peers.ts"
