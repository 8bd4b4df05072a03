/** The address of a runner, `ID@host` and a port, and the peer that it stands for. */
import { InvalidAddress } from "@qp2p/core/ConnectionError"
import * as PeerAddress from "@qp2p/core/PeerAddress"
import type { PeerId } from "@qp2p/core/PeerId"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/** A peer whose id is known. */
export interface Runner {
  readonly peerId: PeerId
  readonly peer: PeerAddress.PeerAddress
}

/** The runner with an address: `ID@host` and a port. An address without an id could be any peer's, so it is none. */
export const parse = ({ host, port }: RunnerAddress.RunnerAddress): Result.Result<Runner, InvalidAddress> => {
  const input = `${host}:${port}`
  return Result.flatMap(PeerAddress.fromString(input), (peer) =>
    Option.match(peer.peerId, {
      onNone: () => Result.fail(new InvalidAddress({ input, detail: "the host of a runner is ID@host" })),
      onSome: (peerId) => Result.succeed({ peerId, peer })
    })
  )
}

/** The address of the runner with an id: the host has brackets when it is an IPv6 address. */
export const make = (peerId: PeerId, address: NetAddress.InetAddress): RunnerAddress.RunnerAddress => {
  const text = NetAddress.formatInet(address)
  return RunnerAddress.make(`${peerId}@${text.slice(0, text.lastIndexOf(":"))}`, address.port)
}
