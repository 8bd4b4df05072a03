/** UDP sockets whose datagrams stay in this process. */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { type NetworkHost, vacancy } from "../network/host.ts"
import { type Place, placeOf } from "../network/place.ts"
import { corrupted } from "./faults.ts"
import type { SimulatedPort, SimulatedWire } from "./port.ts"

/** How many received datagrams a socket queues. */
const receiveQueue = 8_192

/** How long a datagram may queue in front of a bottleneck, in milliseconds; longer ones are dropped. */
const longestQueue = 200

/** Makes Effect's `DatagramSocket` on a port of a simulated network. It closes with the scope. */
export const make = (
  wire: SimulatedWire,
  host: NetworkHost,
  wanted: NetAddress.InetAddress
): Effect.Effect<DatagramSocket.DatagramSocket> =>
  DatagramSocket.makeFromBackingSocket((events) => Effect.suspend(() => open(wire, host, wanted, events)), {
    receiveBuffer: { capacity: receiveQueue }
  })

const open = (
  wire: SimulatedWire,
  host: NetworkHost,
  wanted: NetAddress.InetAddress,
  events: DatagramSocket.BackingEvents
): Effect.Effect<DatagramSocket.BackingSocket, DatagramSocket.DatagramSocketError> => {
  const vacant = vacancy(host, wanted)
  if (Result.isFailure(vacant)) {
    const cause = new Error(`${NetAddress.formatInet(wanted)}: ${vacant.failure}`)
    const reason = new DatagramSocket.DatagramSocketOpenError({ kind: vacant.failure, cause })
    return Effect.fail(new DatagramSocket.DatagramSocketError({ reason }))
  }
  const { address, place } = vacant.success
  const port: SimulatedPort = { place, home: place, realm: host.realm, onPacket: events.onPacket }
  host.realm.add(port)
  wire.bound.add(port)

  const targets = new Map<string, Place>()
  const targetOf = ({ host: ip, port: number }: DatagramSocket.BackingAddress): Place => {
    const name = `${ip} ${number}`
    let target = targets.get(name)
    if (target === undefined) {
      if (targets.size >= 1_024) targets.clear()
      target = placeOf(NetAddress.inetAddressFromNativeUnsafe(ip, number))
      targets.set(name, target)
    }
    return target
  }

  const sendOne = (payload: Uint8Array, destination: DatagramSocket.BackingAddress | undefined) => {
    if (destination !== undefined) send(wire, port, targetOf(destination), payload)
  }

  return Effect.succeed({
    address: { host: NetAddress.formatHost(address), port: address.port },
    send: (payload, destination, done) => {
      sendOne(payload, destination)
      done()
    },
    sendMany: (payloads, destinations, done) => {
      for (const [i, payload] of payloads.entries()) sendOne(payload, destinations[i])
      done()
    },
    joinMulticast: () =>
      Effect.fail(
        new DatagramSocket.DatagramSocketError({
          reason: new DatagramSocket.DatagramSocketUnsupportedError({
            capability: "multicast",
            runtime: "the simulated network"
          })
        })
      ),
    close: () => {
      host.realm.remove(port)
      wire.bound.delete(port)
    }
  })
}

const send = (wire: SimulatedWire, port: SimulatedPort, to: Place, payload: Uint8Array) => {
  const { chance, counts, timeline } = wire
  const faults = wire.faults.get(port.home, to)
  const lose = () => {
    counts.lost += 1
  }
  counts.sent += 1
  // All draws are made, in this order, so that the probability of one fault does not change the draws of the others.
  const [loss, corruption, bit] = [chance(), chance(), chance()]
  const [reordering, delay, duplication] = [chance(), chance(), chance()]
  if (payload.length > faults.mtu || loss < faults.loss) return lose()
  const now = timeline.now()
  if (wire.conditions.backlog(port.home, to, now) > longestQueue) return lose()
  const carry = (bytes: Uint8Array, notBefore: number) =>
    wire.transmit(port, to, bytes.length, notBefore, {
      lose,
      arrive: (target, { address }) => {
        if (target === undefined) return lose()
        counts.delivered += 1
        target.onPacket(bytes, NetAddress.formatHost(address), address.port)
      }
    })
  const damaged = corruption < faults.corruption
  const late = reordering < faults.reordering
  if (damaged) counts.corrupted += 1
  if (late) counts.reordered += 1
  // A copy: the sender may reuse its buffer, and QUIC decrypts in the receiver's.
  carry(damaged ? corrupted(payload, bit) : payload.slice(), late ? now + delay * faults.reorderingDelay : 0)
  if (duplication < faults.duplication) {
    counts.duplicated += 1
    carry(payload.slice(), 0)
  }
}
