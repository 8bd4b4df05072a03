/**
 * Finds the connections of one endpoint by address and by id, and shares its dials.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Connection } from "./Connection.ts"
import { type ConnectionError, EndpointStopped } from "./ConnectionError.ts"
import type { ConnectionId } from "./ConnectionId.ts"
import { addressKey } from "./internal/addressKey.ts"
import { aliasesOf } from "./internal/aliases.ts"
import { check, effect, ofValue } from "./InvalidArgument.ts"
import type { PeerId } from "./PeerId.ts"

/**
 * A peer, as its key or as an address where it is or was dialled.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type PeerKey = PeerId | NetAddress.InetAddress

/**
 * The inbound and outbound connections of one endpoint, by the keys of their peers.
 *
 * Each address at which a peer is, or was dialled, is an alias of the peer, as long as the pool has that connection. An alias of
 * several peers stands for one that is there, before one that was only dialled there, and for the one that showed its key last.
 *
 * Several connections may be with one peer. The endpoint uses the oldest; both sides agree on it by seniority.
 *
 * A custom pool may keep another object in place of a connection that is added, such as one that counts what is sent, and
 * return that from `current`, `all`, `byId`, `connect` and `dial`. The endpoint uses the object through the public members of
 * `Connection`, and hands it to the application; also as an incoming connection, where `all` returns the same object each
 * time. Its `peerId`, `id`, `direction`, `remoteAddress` and `dialledAddress` have to be those of the connection. A copy made by
 * spreading keeps the `remoteAddress` of the moment.
 *
 * `add`, `remove` and `readdress` get the endpoint's own connection, so wrap it in each of them, with one wrapper for each
 * connection (a `WeakMap` has them). What `current`, `all`, `byId`, `connect` and `dial` return is wrapped already, and must
 * not be wrapped again:
 *
 * ```ts
 * const open = Effect.map(ConnectionPool.make, (pool) => ({
 *   ...pool,
 *   add: (connection, seniority) => pool.add(wrap(connection), seniority),
 *   remove: (connection) => pool.remove(wrap(connection)),
 *   readdress: (connection) => pool.readdress(wrap(connection))
 * }))
 * ```
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Pool {
  /** The number of connections. */
  readonly size: () => number
  /** The connection to use with `peer`: the oldest. Undefined when there is none. */
  readonly current: (peer: PeerKey) => Connection | undefined
  /** Every connection with `peer`, oldest first. */
  readonly all: (peer: PeerKey) => ReadonlyArray<Connection>
  /** The oldest connection with this id; of several peers' connections, one of the peer that came first. */
  readonly byId: (id: ConnectionId) => Option.Option<Connection>
  /**
   * Adds a connection. `seniority` is that of `Transport`: of the connections with one key, that with the least comes first.
   * Without it, and among those with several keys, the order is that of adding.
   */
  readonly add: (connection: Connection, seniority?: string) => void
  /** Removes a connection. */
  readonly remove: (connection: Connection) => void
  /** Moves a connection to its `remoteAddress`, after that has changed. */
  readonly readdress: (connection: Connection) => void
  /**
   * Returns the connection to use with `peer`, or else the result of `dial`. Concurrent callers for the same key or address
   * share one dial and all get its result. The dial is interrupted when its last caller is. `dial` itself adds the connection
   * to the pool.
   */
  readonly connect: (
    peer: PeerKey,
    dial: Effect.Effect<Connection, ConnectionError>
  ) => Effect.Effect<Connection, ConnectionError>
  /** Returns the result of `dial`, shared in the same way, even when there is a connection: that one may be dead. */
  readonly dial: (
    peer: PeerKey,
    dial: Effect.Effect<Connection, ConnectionError>
  ) => Effect.Effect<Connection, ConnectionError>
}

/**
 * Opens pools, one for each endpoint. Layers are memoised, so a pool in the layer itself would be shared by endpoints.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class ConnectionPool extends Context.Service<
  ConnectionPool,
  {
    /** Opens a pool; closing the scope interrupts its dials. */
    readonly open: Effect.Effect<Pool, never, Scope.Scope>
  }
>()("@qp2p/core/ConnectionPool") {}

interface Member {
  readonly connection: Connection
  readonly seniority: string | undefined
  /** The keys of the addresses that are aliases of the peer by this connection: where it is, and where it was dialled. */
  aliases: ReadonlyArray<string>
}

interface SharedDial {
  readonly fiber: Fiber.Fiber<Connection, ConnectionError>
  waiting: number
}

/**
 * Makes an empty pool. Its dials run in the scope: closing the scope interrupts them.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Pool, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const members = new Map<Connection, Member>()
  const byPeer = new Map<PeerId, Array<Member>>()
  /** The connections by which an address is an alias: first those whose peers are there, and in each group the latest first. */
  const byAddress = new Map<string, Array<Member>>()
  const byId = new Map<ConnectionId, Array<Member>>()
  const dials = new Map<string, SharedDial>()

  const addAliases = (member: Member) => {
    member.aliases = aliasesOf(member.connection)
    for (const alias of member.aliases) {
      const there = byAddress.get(alias)
      if (there === undefined) byAddress.set(alias, [member])
      else there.splice(isAt(member, alias) ? 0 : countWhile(there, (other) => isAt(other, alias)), 0, member)
    }
  }

  const removeAliases = (member: Member) => {
    for (const alias of member.aliases) removeFrom(byAddress, alias, member)
  }

  const add = (connection: Connection, seniority?: string) => {
    if (!isConnectionLike(connection)) return
    const member: Member = { connection, seniority, aliases: [] }
    members.set(connection, member)
    insert(byPeer, connection.peerId, member)
    insert(byId, connection.id, member)
    addAliases(member)
  }

  const remove = (connection: Connection) => {
    const member = members.get(connection)
    if (member === undefined) return
    members.delete(connection)
    removeFrom(byPeer, connection.peerId, member)
    removeFrom(byId, connection.id, member)
    removeAliases(member)
  }

  const peerIdOf = (peer: PeerKey): PeerId | undefined =>
    typeof peer === "string" ? peer : byAddress.get(addressKey(peer))?.[0]?.connection.peerId

  const current = (peer: PeerKey): Connection | undefined => {
    const peerId = peerIdOf(peer)
    return peerId === undefined ? undefined : byPeer.get(peerId)?.[0]?.connection
  }

  const all = (peer: PeerKey): ReadonlyArray<Connection> => {
    if (typeof peer === "string") return connectionsOf(byPeer.get(peer))
    const there = byAddress.get(addressKey(peer))
    if (there === undefined) return []
    // The connections of most peers are at one address.
    if (there.length === 1) return connectionsOf(byPeer.get(peerOf(there[0]!)))
    return [...new Set(there.map(peerOf))].flatMap((peerId) => connectionsOf(byPeer.get(peerId)))
  }

  const startDial = (key: string, dial: Effect.Effect<Connection, ConnectionError>) =>
    Effect.map(Effect.forkIn(dial, scope, { startImmediately: true }), (fiber) => {
      const shared: SharedDial = { fiber, waiting: 0 }
      dials.set(key, shared)
      fiber.addObserver(() => {
        if (dials.get(key) === shared) dials.delete(key)
      })
      return shared
    })

  const leave = (key: string, shared: SharedDial) =>
    Effect.suspend(() => {
      shared.waiting -= 1
      if (shared.waiting > 0) return Effect.void
      // It has ended: the first caller to leave does so with its result.
      if (shared.fiber.pollUnsafe() !== undefined) return Effect.void
      // The next caller starts a new dial, since this one is being interrupted.
      if (dials.get(key) === shared) dials.delete(key)
      return Fiber.interrupt(shared.fiber)
    })

  const join = (key: string, dial: Effect.Effect<Connection, ConnectionError>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const ongoing = dials.get(key)
        return Effect.flatMap(
          ongoing === undefined ? startDial(key, restore(dial)) : Effect.succeed(ongoing),
          (shared) => {
            shared.waiting += 1
            return Effect.ensuring(restore(Effect.flatMap(Fiber.await(shared.fiber), outcome)), leave(key, shared))
          }
        )
      })
    )

  return {
    size: () => members.size,
    current,
    all,
    byId: (id) => Option.fromUndefinedOr(byId.get(id)?.[0]?.connection),
    add,
    remove,
    readdress: (connection) => {
      const member = members.get(connection)
      if (member === undefined) return
      removeAliases(member)
      addAliases(member)
    },
    connect: (peer, dial) =>
      Effect.suspend(() => {
        const wrong = ofValue("peer", peer, peerKey) ?? ofValue("dial", dial, effect)
        if (wrong !== undefined) return Effect.fail(wrong)
        const connection = current(peer)
        return connection === undefined ? join(keyOf(peer), dial) : Effect.succeed(connection)
      }),
    dial: (peer, dial) =>
      Effect.suspend(() => {
        const wrong = ofValue("peer", peer, peerKey) ?? ofValue("dial", dial, effect)
        return wrong === undefined ? join(keyOf(peer), dial) : Effect.fail(wrong)
      })
  }
})

/**
 * Provides the pool that `make` makes.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ConnectionPool> = Layer.succeed(ConnectionPool, { open: make })

const peerKey = check(
  "must be a PeerId or an InetAddress",
  (value) => typeof value === "string" || NetAddress.isInetAddress(value)
)

/** The key under which a dial is shared. An id has no colon, and an address has one. */
const keyOf = (peer: PeerKey): string => (typeof peer === "string" ? peer : addressKey(peer))

/** Whether the peer of a connection is at an address, and was not only dialled there. */
const isAt = ({ aliases }: Member, alias: string): boolean => aliases[0] === alias

const countWhile = <A>(items: ReadonlyArray<A>, matches: (item: A) => boolean): number => {
  const end = items.findIndex((item) => !matches(item))
  return end === -1 ? items.length : end
}

const peerOf = ({ connection }: Member): PeerId => connection.peerId

const connectionsOf = (members: ReadonlyArray<Member> = []): ReadonlyArray<Connection> =>
  members.map(({ connection }) => connection)

/** Tells whether a value can be kept as a connection. Users' own connections may be of any class. */
const isConnectionLike = (connection: unknown): boolean =>
  typeof connection === "object" && connection !== null && "remoteAddress" in connection && "peerId" in connection

/** Only closing the pool's scope interrupts a dial that has callers, so an interruption means that the endpoint stopped. */
const outcome = (exit: Exit.Exit<Connection, ConnectionError>): Effect.Effect<Connection, ConnectionError> =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? Effect.fail(new EndpointStopped()) : exit

const insert = <K>(map: Map<K, Array<Member>>, key: K, member: Member) => {
  const members = map.get(key)
  if (members === undefined) return void map.set(key, [member])
  const i = members.findIndex((other) => isSenior(member, other))
  members.splice(i === -1 ? members.length : i, 0, member)
}

/** A peer chooses the seniority of what it dials, so that orders its own connections and no others. */
const isSenior = (one: Member, other: Member): boolean =>
  one.connection.peerId === other.connection.peerId &&
  one.seniority !== undefined &&
  other.seniority !== undefined &&
  one.seniority < other.seniority

const removeFrom = <K>(map: Map<K, Array<Member>>, key: K, member: Member) => {
  const members = map.get(key)
  const i = members?.indexOf(member) ?? -1
  if (members === undefined || i === -1) return
  members.splice(i, 1)
  if (members.length === 0) map.delete(key)
}
