/**
 * What happens to an incoming file.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { PeerId } from "@qp2p/core/PeerId"
import type * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"

/**
 * An event of an incoming file. `peerId` is the key of the sender, and `peer` its address. `name` is safe to print and
 * to create. `size` is none when the sender knows it only at the end. A `detail` may quote the peer and name local
 * paths.
 *
 * `Refused` comes in place of `Started`: a limit forbids the file. `Failed` ends a file that has started, or that this side
 * could not open.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type FileEvent =
  | {
      readonly _tag: "Started"
      readonly peer: NetAddress.InetAddress
      readonly peerId: PeerId
      readonly name: string
      readonly size: Option.Option<number>
    }
  | {
      readonly _tag: "Progress"
      readonly peer: NetAddress.InetAddress
      readonly peerId: PeerId
      readonly name: string
      readonly size: Option.Option<number>
      readonly received: number
    }
  | {
      readonly _tag: "Received"
      readonly peer: NetAddress.InetAddress
      readonly peerId: PeerId
      readonly name: string
      readonly size: number
      readonly path: string
      readonly sha256: string
      readonly elapsed: Duration.Duration
    }
  | {
      readonly _tag: "Failed" | "Refused"
      readonly peer: NetAddress.InetAddress
      readonly peerId: PeerId
      readonly name: string
      readonly detail: string
    }
