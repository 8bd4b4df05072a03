/**
 * Bootstraps an endpoint when it starts and again later, and keeps its public address up to date.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { undiallable } from "../../Address.ts"
import type * as Bootstrap from "../../Bootstrap.ts"
import { EndpointStopped } from "../../ConnectionError.ts"
import type { Address, Endpoint } from "../../Endpoint.ts"
import type { Mapping } from "../../PortMapper.ts"
import { publicAddress } from "../publicAddress.ts"
import { firstToAnswer, notList } from "./dialling.ts"
import type { Node } from "./node.ts"
import { resolvePeer } from "./options.ts"
import * as portMapping from "./portMapping.ts"

/** Finds the endpoint's place: `known` is the public address that was found before. */
type Run<E> = (
  contacts: ReadonlyArray<NetAddress.InetAddress>,
  known: Option.Option<NetAddress.InetAddress>,
  reachAny: Bootstrap.Node["reachAny"]
) => Effect.Effect<Bootstrap.Outcome, E>

/** The endpoint's place, and how it is found anew. */
export interface Bootstrapping {
  readonly place: { readonly latest: Bootstrap.Outcome }
  readonly again: Endpoint["Service"]["bootstrap"]
}

/** Bootstraps for the first time, and follows the mapping of the port from then on. */
export const bootstrapping = Effect.fnUntraced(function* <E extends Bootstrap.BootstrapError>(
  node: Node,
  mapping: Option.Option<Mapping>,
  run: Run<E>
): Effect.fn.Return<Bootstrapping, E, Scope.Scope> {
  const { connections } = node

  const reach = (contacts: ReadonlyArray<NetAddress.InetAddress>) =>
    Effect.map(firstToAnswer(connections, contacts), ({ connection, peer }) =>
      Option.some<Bootstrap.Contact>({
        address: peer,
        get remoteAddress() {
          return connection.remoteAddress
        },
        ask: (question) => connections.ask(connection, question)
      })
    )

  /** Dials end a moment before the endpoint counts as stopped: then it is not the contacts that do not answer. */
  const reachUntilStopped: Bootstrap.Node["reachAny"] = (contacts) =>
    Effect.catch(reach(contacts), ({ attempts }) =>
      attempts.some(({ error }) => error._tag === "EndpointStopped") ? Effect.never : Effect.succeedNone
    )

  const turns = yield* Semaphore.make(1)
  const place: { latest: Bootstrap.Outcome } = {
    latest: yield* run(node.contacts, Option.none(), (contacts) =>
      Effect.catch(reach(contacts), () => Effect.succeedNone)
    )
  }

  const rerun = (contacts: ReadonlyArray<NetAddress.InetAddress>) =>
    Effect.suspend(() =>
      Effect.map(run(contacts, Option.some(place.latest.publicAddress), reachUntilStopped), (outcome) => {
        place.latest = outcome
        return outcome
      })
    )

  const again = Effect.fnUntraced(function* (contacts?: ReadonlyArray<Address>) {
    if (connections.stopped()) return yield* new EndpointStopped()
    if (contacts !== undefined && !Array.isArray(contacts)) return yield* notList(contacts)
    const resolved =
      contacts === undefined
        ? node.contacts
        : yield* Effect.forEach(contacts, (contact) => resolvePeer(contact, connections.interfaces))
    return yield* Effect.raceFirst(turns.withPermit(rerun(resolved)), connections.untilStopped)
  })

  if (Option.isSome(mapping)) {
    let before = mapping.value.external
    yield* Effect.forkScoped(
      portMapping.follow(mapping.value, (external) => {
        const { latest } = place
        // The endpoint moves with its port, if that is what its address is, or there was none to be had elsewhere.
        const moved =
          undiallable(before) === undefined
            ? Equal.equals(latest.publicAddress, publicAddress(node.config, before))
            : Option.isNone(latest.contact)
        before = external
        if (moved && undiallable(external) === undefined)
          place.latest = { ...latest, publicAddress: publicAddress(node.config, external) }
      })
    )
  }
  return { place, again }
})
