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
import type { Endpoint } from "../../Endpoint.ts"
import type { Mapping } from "../../PortMapper.ts"
import { publicAddress } from "../publicAddress.ts"
import type * as PeerAddress from "../../PeerAddress.ts"
import { Outcomes } from "./outcomes.ts"
import { firstToAnswer, notList } from "./dialling.ts"
import type { EndpointState } from "./state.ts"
import { resolvePeer } from "./options.ts"
import * as portMapping from "./portMapping.ts"

/** Bootstraps once. `known` is the public address of an earlier run. */
type Run<E> = (
  contacts: ReadonlyArray<PeerAddress.PeerAddress>,
  known: Option.Option<NetAddress.InetAddress>,
  reachAny: Bootstrap.Node["reachAny"]
) => Effect.Effect<Bootstrap.Outcome, E>

/** The latest outcome of bootstrapping, and the operation that repeats it. */
export interface Bootstrapping {
  readonly outcomes: Outcomes
  readonly again: Endpoint["Service"]["bootstrap"]
}

/** Bootstraps for the first time, and then follows the port mapping. */
export const bootstrapping = Effect.fnUntraced(function* <E extends Bootstrap.BootstrapError>(
  state: EndpointState,
  mapping: Option.Option<Mapping>,
  run: Run<E>
): Effect.fn.Return<Bootstrapping, E, Scope.Scope> {
  const { connections } = state

  const reach = (contacts: ReadonlyArray<PeerAddress.PeerAddress>) =>
    Effect.map(firstToAnswer(connections, contacts), ({ connection, peer }) =>
      Option.some<Bootstrap.Contact>({
        listed: peer,
        peerId: connection.peerId,
        get remoteAddress() {
          return connection.remoteAddress
        },
        ask: (question) => connections.dials.ask(connection, question)
      })
    )

  /** Reaches a contact, or never returns when the endpoint stops: its dials fail a moment before it counts as stopped. */
  const reachUntilStopped: Bootstrap.Node["reachAny"] = (contacts) =>
    Effect.catch(reach(contacts), ({ attempts }) =>
      attempts.some(({ error }) => error._tag === "EndpointStopped") ? Effect.never : Effect.succeedNone
    )

  const turns = yield* Semaphore.make(1)
  const outcomes = new Outcomes(
    yield* run(state.contacts, Option.none(), (contacts) => Effect.catch(reach(contacts), () => Effect.succeedNone))
  )

  const rerun = (contacts: ReadonlyArray<PeerAddress.PeerAddress>) =>
    Effect.suspend(() =>
      Effect.map(run(contacts, Option.some(outcomes.latest.publicAddress), reachUntilStopped), (outcome) => {
        outcomes.latest = outcome
        return outcome
      })
    )

  const again = Effect.fnUntraced(function* (contacts?: ReadonlyArray<PeerAddress.Input>) {
    if (connections.stopped()) return yield* new EndpointStopped()
    if (contacts !== undefined && !Array.isArray(contacts)) return yield* notList(contacts)
    const resolved =
      contacts === undefined
        ? state.contacts
        : yield* Effect.forEach(contacts, (contact) => resolvePeer(contact, connections.interfaces))
    return yield* Effect.raceFirst(turns.withPermit(rerun(resolved)), connections.untilStopped)
  })

  if (Option.isSome(mapping)) {
    let before = mapping.value.external
    yield* Effect.forkScoped(
      portMapping.follow(mapping.value, (external) => {
        const { latest } = outcomes
        // The public address follows the mapping if it came from the mapping, or if no contact has reported one.
        const moved =
          undiallable(before) === undefined
            ? Equal.equals(latest.publicAddress, publicAddress(state.config, before))
            : Option.isNone(latest.contact)
        before = external
        if (moved && undiallable(external) === undefined)
          outcomes.latest = { ...latest, publicAddress: publicAddress(state.config, external) }
      })
    )
  }
  return { outcomes, again }
})
