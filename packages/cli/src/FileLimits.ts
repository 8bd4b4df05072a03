/**
 * What a file receiver takes from its peers.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/**
 * The limits of a file receiver. A file beyond a limit is refused or dropped, and its sender is told why.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface FileLimits {
  /** The most transfers at a time. At least 1; default 16. */
  readonly maxTransfers: number
  /** The most transfers at a time with one peer. At least 1; default 4. */
  readonly maxTransfersPerPeer: number
  /** The most transfers at a time with all peers of one IPv4 address, or of one IPv6 network of 64 bits. Default 8. */
  readonly maxTransfersPerNetwork: number
  /** The largest file in bytes. Default infinite. */
  readonly maxSize: number
  /** The most entries of the directory, whoever made them. Default 100,000. */
  readonly maxFiles: number
  /** The bytes that stay free on the file system of the directory, where it tells. Default 100 MB. */
  readonly keepFree: number
  /** The fewest bytes a second over each `stallTimeout`; 0 for none. Default 1,000. */
  readonly minRate: number
  /** A transfer that receives no message for this long is dropped. Default 30 s. */
  readonly stallTimeout: Duration.Input
}

/**
 * The limits of a receiver that names none.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaults: FileLimits = {
  maxTransfers: 16,
  maxTransfersPerPeer: 4,
  maxTransfersPerNetwork: 8,
  maxSize: Number.POSITIVE_INFINITY,
  maxFiles: 100_000,
  keepFree: 100_000_000,
  minRate: 1_000,
  stallTimeout: Duration.seconds(30)
}

/**
 * Any of the limits; one that is missing or undefined has its default.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Input = { readonly [K in keyof FileLimits]?: FileLimits[K] | undefined }

/**
 * The limits, with a default for each that is missing.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (input: Input = {}): FileLimits => ({
  maxTransfers: input.maxTransfers ?? defaults.maxTransfers,
  maxTransfersPerPeer: input.maxTransfersPerPeer ?? defaults.maxTransfersPerPeer,
  maxTransfersPerNetwork: input.maxTransfersPerNetwork ?? defaults.maxTransfersPerNetwork,
  maxSize: input.maxSize ?? defaults.maxSize,
  maxFiles: input.maxFiles ?? defaults.maxFiles,
  keepFree: input.keepFree ?? defaults.keepFree,
  minRate: input.minRate ?? defaults.minRate,
  stallTimeout: input.stallTimeout ?? defaults.stallTimeout
})
