/**
 * Reads the options of an endpoint: which there are, their defaults, and what is wrong with them.
 */
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import { undiallable } from "../../Address.ts"
import { InvalidAddress } from "../../ConnectionError.ts"
import type { Address, Options } from "../../Endpoint.ts"
import * as EndpointConfig from "../../EndpointConfig.ts"
import { ConfigError } from "../../EndpointError.ts"
import type { NetworkInterface } from "../../Transport.ts"
import * as address from "../address.ts"
import * as args from "../arguments.ts"

const defaultLocalAddress = "0.0.0.0:0"

const optionNames: args.Fields = {
  localAddress: () => undefined,
  contacts: args.optional(args.list),
  config: () => undefined
}

/** Only what is undefined has its default: whoever says anything else means something by it. */
export const read = Effect.fnUntraced(function* (options: Options, interfaces: () => ReadonlyArray<NetworkInterface>) {
  const problem = args.problemOf(options, optionNames)
  if (problem !== undefined) return yield* new ConfigError(problem)
  const { config = {}, contacts = [], localAddress = defaultLocalAddress } = options
  return {
    config: yield* Effect.mapError(EndpointConfig.decode(config), (error) =>
      error.path === "" ? new ConfigError({ path: "config", reason: error.reason }) : error
    ),
    localAddress: yield* option("localAddress", resolve(localAddress, interfaces)),
    contacts: yield* Effect.forEach(contacts, (contact, i) => option(`contacts.${i}`, resolvePeer(contact, interfaces)))
  }
})

/** A policy that programs provide. */
export const callback = <F>(path: string, value: F): Effect.Effect<F, ConfigError> => {
  const reason = args.problemWith(args.func, value)
  return reason === undefined ? Effect.succeed(value) : Effect.fail(new ConfigError({ path, reason }))
}

const resolve = (input: Address, interfaces: () => ReadonlyArray<NetworkInterface>) =>
  Effect.fromResult(address.resolve(input, interfaces))

/** One that can be dialled. */
export const resolvePeer = (input: Address, interfaces: () => ReadonlyArray<NetworkInterface>) =>
  Effect.flatMap(resolve(input, interfaces), (peer) => {
    const reason = undiallable(peer, interfaces)
    return reason === undefined
      ? Effect.succeed(peer)
      : Effect.fail(new InvalidAddress({ input: String(input), reason }))
  })

const option = (
  path: string,
  resolved: Effect.Effect<NetAddress.InetAddress, InvalidAddress>
): Effect.Effect<NetAddress.InetAddress, ConfigError> =>
  Effect.mapError(resolved, ({ input, reason }) => new ConfigError({ path, reason: `${input}: ${reason}` }))
