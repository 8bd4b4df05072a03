/** What the example calls its runners. */
import { Option } from "effect"
import type { RunnerAddress } from "effect/cluster"

/** Returns `ID@host:port`, or "client" without an address. */
export const nameOf = (address: Option.Option<RunnerAddress.RunnerAddress>): string =>
  Option.match(address, { onNone: () => "client", onSome: ({ host, port }) => `${host}:${port}` })
