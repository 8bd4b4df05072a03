/**
 * The parts of the `qp2p` command, for programs that need the same file transfer or formatting.
 *
 * @stability unstable
 * @since 0.1.0
 */
export * as DirectoryRoom from "./DirectoryRoom.ts"
export * as Failure from "./Failure.ts"
export * as FileEvent from "./FileEvent.ts"
export * as FileLimits from "./FileLimits.ts"
export * as FileLog from "./FileLog.ts"
export * as FileName from "./FileName.ts"
export * as FileReceiver from "./FileReceiver.ts"
export * as FileSource from "./FileSource.ts"
export * as FileStore from "./FileStore.ts"
export * as FileTransfer from "./FileTransfer.ts"
export * as Flags from "./Flags.ts"
export * as Format from "./Format.ts"
export * as LimitFlags from "./LimitFlags.ts"
export * as main from "./main.ts"
export * as OnSignal from "./OnSignal.ts"
export * as OutDirectory from "./OutDirectory.ts"
export * as PartialFiles from "./PartialFiles.ts"
export * as Peers from "./Peers.ts"
export * as PortForwarding from "./PortForwarding.ts"
export * as Printable from "./Printable.ts"
export * as Progress from "./Progress.ts"
export * as Usage from "./Usage.ts"
export * as version from "./version.ts"
