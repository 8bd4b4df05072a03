/**
 * A device with the list: it has the journal of its events, and keeps the journals of the devices that connect with it.
 *
 * Effect's event log replicates through servers. Here each device is one, for itself and for the others, and each log writes to all
 * of them: whichever two devices can reach each other have the same list.
 */
import { Endpoint, type PeerAddress } from "@qp2p/core"
import { QuicSocket, QuicSocketServer } from "@qp2p/rpc"
import { Effect, Layer, Schedule } from "effect"
import { EventJournal, EventLog, EventLogRemote, EventLogServerEncrypted } from "effect/eventlog"
import { RpcClient, RpcSerialization, RpcServer } from "effect/rpc"
import * as List from "./List.ts"

/** The name of the protocol between devices. */
const protocol = "journal"

/** Serves the journals of all devices. It cannot read what it keeps: the events are encrypted with the owner's key. */
const server = EventLogServerEncrypted.layer.pipe(
  Layer.provide(EventLogServerEncrypted.layerStorageMemory),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provide(QuicSocketServer.layer({ protocol }))
)

/** Replicates the journal with the server of a device. A session is one stream, since it begins with a proof of the owner's key. */
const remote = (peer: PeerAddress.Input) =>
  EventLogRemote.layerEncrypted.pipe(
    Layer.provide(RpcClient.layerProtocolSocket({ retryTransientErrors: true })),
    Layer.provide(QuicSocket.layer(peer, { protocol }))
  )

/** Replicates with a device as soon as it can be reached. */
const replicate = (peer: PeerAddress.Input) =>
  Layer.build(remote(peer)).pipe(
    Effect.andThen(Effect.never),
    Effect.scoped,
    Effect.retry(Schedule.spaced("1 second")),
    Effect.forkScoped
  )

const remotes = (others: ReadonlyArray<PeerAddress.Input>) =>
  Layer.effectDiscard(
    Effect.flatMap(Endpoint.Endpoint, ({ peerAddress }) => Effect.forEach([peerAddress, ...others], replicate))
  )

/** The options of a device. */
export interface Options {
  /** The owner's key, which is the same on all devices of the owner. */
  readonly owner: EventLog.Identity["Service"]
  /** The other devices. */
  readonly others: ReadonlyArray<PeerAddress.Input>
}

/** A device, on the endpoint. */
export const layer = ({ others, owner }: Options) =>
  Layer.merge(server, remotes(others)).pipe(
    Layer.provideMerge(List.layer),
    Layer.provide(EventJournal.layerMemory),
    Layer.provide(Layer.succeed(EventLog.Identity, owner)),
    Layer.provide(RpcSerialization.layerSchemaBinary())
  )
