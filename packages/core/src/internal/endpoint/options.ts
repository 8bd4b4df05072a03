/**
 * Decodes the options of an endpoint and fills in the defaults.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { undiallable } from "../../Address.ts"
import { InvalidAddress } from "../../ConnectionError.ts"
import type { Address, Options } from "../../Endpoint.ts"
import * as EndpointConfig from "../../EndpointConfig.ts"
import { EndpointConfigError } from "../../EndpointError.ts"
import { isIdentity } from "../identity/isIdentity.ts"
import * as Identity from "../../Identity.ts"
import * as PeerAddress from "../../PeerAddress.ts"
import type { NetworkInterface } from "../../Transport.ts"
import * as address from "../address.ts"
import * as args from "../arguments.ts"

const defaultLocalAddress = "0.0.0.0:0"

const isIdentityOption = (value: unknown): boolean => Effect.isEffect(value) || isIdentity(value)

const optionNames: args.Fields = {
  localAddress: () => undefined,
  contacts: args.optional(args.list),
  streams: args.optional(args.oneOf("Messages", "Manual")),
  identity: args.optional(args.check("must be an Identity, or an Effect of one", isIdentityOption)),
  config: () => undefined
}

/** Decodes the options. Only an undefined option has its default; any other wrong value is an error. */
export const read = Effect.fnUntraced(function* (options: Options, interfaces: () => ReadonlyArray<NetworkInterface>) {
  const problem = args.problemOf(options, optionNames)
  if (problem !== undefined) return yield* new EndpointConfigError(problem)
  const { config = {}, contacts = [], localAddress = defaultLocalAddress, streams = "Messages" } = options
  return {
    config: yield* Effect.mapError(EndpointConfig.decode(config), (error) =>
      error.path === "" ? new EndpointConfigError({ path: "config", detail: error.detail }) : error
    ),
    localAddress: yield* option("localAddress", resolve(localAddress, interfaces)),
    streams,
    contacts: yield* Effect.forEach(contacts, (contact, i) => option(`contacts.${i}`, resolvePeer(contact, interfaces)))
  }
})

/** Reads the option `identity`, or makes a new one. */
export const readIdentity = ({ identity = Identity.generate }: Options) =>
  Effect.isEffect(identity)
    ? Effect.filterOrFail(
        identity,
        isIdentity,
        () => new Identity.IdentityError({ detail: "the effect of the option identity must make an Identity" })
      )
    : Effect.succeed(identity)

/** Checks that a policy, which the program provides, is a function. */
export const callback = <F>(path: string, value: F): Effect.Effect<F, EndpointConfigError> => {
  const detail = args.problemWith(args.func, value)
  return detail === undefined ? Effect.succeed(value) : Effect.fail(new EndpointConfigError({ path, detail }))
}

const resolve = (input: Address, interfaces: () => ReadonlyArray<NetworkInterface>) =>
  Effect.fromResult(address.resolve(input, interfaces))

/** Resolves a peer whose addresses must be dialable. */
export const resolvePeer = (input: PeerAddress.Input, interfaces: () => ReadonlyArray<NetworkInterface>) =>
  Effect.flatMap(Effect.fromResult(PeerAddress.fromInput(input, interfaces)), (peer) => {
    for (const each of peer.addresses) {
      const address = PeerAddress.toInetAddress(each)
      const detail = Option.isSome(address) ? undiallable(address.value, interfaces) : undefined
      if (detail !== undefined) return Effect.fail(new InvalidAddress({ input: String(input), detail }))
    }
    return Effect.succeed(peer)
  })

const option = <A>(path: string, resolved: Effect.Effect<A, InvalidAddress>): Effect.Effect<A, EndpointConfigError> =>
  Effect.mapError(resolved, ({ input, detail }) => new EndpointConfigError({ path, detail: `${input}: ${detail}` }))
