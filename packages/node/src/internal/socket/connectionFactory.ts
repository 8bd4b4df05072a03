/**
 * Makes the connections of a socket, dialled and accepted.
 */
import * as NetAddress from "effect/net/NetAddress"
import { serverName } from "../binding/certificate.ts"
import type { NativeConfig, NativeConnection, Quiche } from "../binding/native.ts"
import { Connection } from "../connection/connection.ts"
import type { ConnectionHost, ConnectionOwner } from "../connection/connectionHost.ts"
import { keyOf } from "../packets/packetHeader.ts"
import { MtuDiscovery } from "../path/mtuDiscovery.ts"
import type { HostPort } from "../path/packetReceiver.ts"
import type { Accepted } from "./admission.ts"
import type { ConnectionTable } from "./connectionTable.ts"
import { ipGroupOf } from "./ipGroup.ts"
import { TurnState } from "./turnState.ts"

/** The golden section: its multiples, modulo 1, spread any number of connections evenly. */
const goldenSection = 0.618_033_988_75

/** A connection with what the loop keeps of it, so that the loop needs no look-up for each packet. */
export type SocketConnection = Connection<TurnState>

/**
 * Makes the native connection and its driver object for a dial or an admitted client, and enters it in the table under its ids.
 */
export class ConnectionFactory {
  private readonly quiche: Quiche
  private readonly configOf: (maxPayload: number) => NativeConfig
  private readonly maxPayload: (remote: NetAddress.InetAddress) => number
  private readonly table: ConnectionTable<SocketConnection>
  private readonly host: ConnectionHost<SocketConnection>
  /** The local address, the same for every packet of every connection. */
  private readonly to: HostPort
  private count = 0

  constructor(options: {
    readonly quiche: Quiche
    readonly configOf: (maxPayload: number) => NativeConfig
    /** The size of the largest packets to a peer, in bytes. */
    readonly maxPayload: (remote: NetAddress.InetAddress) => number
    readonly local: NetAddress.InetAddress
    readonly table: ConnectionTable<SocketConnection>
    readonly host: ConnectionHost<SocketConnection>
  }) {
    this.quiche = options.quiche
    this.configOf = options.configOf
    this.maxPayload = options.maxPayload
    this.table = options.table
    this.host = options.host
    this.to = hostPortOf(options.local)
  }

  /** Dials `peer`. The connection has the source connection id `scid`. */
  connect(peer: NetAddress.InetAddress, scid: Uint8Array, owner: ConnectionOwner<SocketConnection>): SocketConnection {
    const from = hostPortOf(peer)
    const native = this.quiche.Connection.connect(serverName, scid, this.to, from, this.configFor(peer))
    return this.make(native, peer, from, owner, {
      keys: [keyOf(scid)],
      clientScid: scid,
      dialled: true,
      hasResetToken: false
    })
  }

  /** Accepts the dial of `peer`, unless the binding refuses it. */
  accept(
    verdict: Accepted,
    peer: NetAddress.InetAddress,
    owner: ConnectionOwner<SocketConnection>
  ): SocketConnection | undefined {
    const from = hostPortOf(peer)
    const { clientDcid, clientScid, originalDcid, resetToken, scid } = verdict
    let native: NativeConnection
    try {
      const config = this.configFor(peer)
      // Connections share a config, and each has a token of its own.
      config.setStatelessResetToken(resetToken ?? null)
      native = this.quiche.Connection.accept(scid, originalDcid, this.to, from, config)
    } catch {
      return undefined
    }
    // Until the client has learned this side's id, it addresses its packets to an id that it made up.
    return this.make(native, peer, from, owner, {
      keys: [keyOf(scid), keyOf(clientDcid)],
      clientScid,
      dialled: false,
      hasResetToken: resetToken !== undefined
    })
  }

  private make(
    native: NativeConnection,
    remote: NetAddress.InetAddress,
    from: HostPort,
    owner: ConnectionOwner<SocketConnection>,
    ids: {
      readonly keys: readonly [string, ...Array<string>]
      readonly clientScid: Uint8Array
      readonly dialled: boolean
      readonly hasResetToken: boolean
    }
  ): SocketConnection {
    const ip = ipGroupOf(remote)
    const connection = new Connection({
      host: this.host,
      owner,
      native,
      dialled: ids.dialled,
      remote,
      from,
      to: this.to,
      ipGroup: ip,
      seniority: keyOf(ids.clientScid),
      turnState: new TurnState(),
      id: ids.keys[0],
      hasResetToken: ids.hasResetToken,
      mtu: new MtuDiscovery(this.maxPayload(remote), NetAddress.isLoopback(remote.address)),
      keepAliveJitter: (this.count * goldenSection) % 1
    })
    this.count += 1
    const { dialled, keys } = ids
    this.table.add(connection, { host: NetAddress.formatHost(remote), port: remote.port, ip, keys, dialled })
    return connection
  }

  private configFor(remote: NetAddress.InetAddress): NativeConfig {
    return this.configOf(this.maxPayload(remote))
  }
}

/** The binding parses hosts as bare literals, without brackets and zone. */
const hostPortOf = ({ address, port }: NetAddress.InetAddress): HostPort => ({
  host: NetAddress.formatIp(address),
  port
})
