/** Rules about binding and dialling. */
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import { text } from "./content.ts"
import type { Peer } from "./recording/peer.ts"
import { bind } from "./recording/socket.ts"
import { type Group, rule, Environment } from "./rule.ts"
import { connect, connected, dialledAtLast, roundTrip, until } from "./steps.ts"

const at = NetAddress.formatInet

/** The end of `peers` at which the message `label` has arrived, and no other. */
const heard = (peers: ReadonlyArray<Peer>, label: string) =>
  peers.find(({ messages }) => messages.some((stream) => stream.text === label && stream.ends.length === 1))

/** Sends each of `peers` its number, and finds the other ends of their connections among `others`. */
const matched = Effect.fnUntraced(function* (peers: ReadonlyArray<Peer>, others: () => ReadonlyArray<Peer>) {
  for (const [i, peer] of peers.entries()) peer.send(text(`number ${i}`))
  const find = () => peers.map((_, i) => heard(others(), `number ${i}`))
  yield* until("each connection's message arrives", () => find().every((peer) => peer !== undefined))
  const found = find() as Array<Peer>
  assert.strictEqual(new Set(found).size, peers.length, "connections share a peer")
  return found
})

/** The numbers of `peers`, from the lowest seniority to the highest. */
const ranking = (peers: ReadonlyArray<Peer>) =>
  peers
    .map(({ connection }, i) => ({ i, seniority: connection.seniority! }))
    .toSorted((a, b) => (a.seniority < b.seniority ? -1 : 1))
    .map(({ i }) => i)

const ranked = (peers: ReadonlyArray<Peer>) => peers.every(({ connection }) => connection.seniority !== undefined)

/** The rules about bound addresses, dials that cross, dials that are given up, and the seniority of connections. */
export const dialling: Group = {
  title: "binding and dialling",
  rules: [
    rule(
      "binding to port 0 gives each socket a port of its own, and tells it",
      Effect.gen(function* () {
        const ports = new Set<number>()
        for (let i = 0; i < 5; i++) ports.add((yield* bind()).socket.address.port)
        assert.strictEqual(ports.size, 5)
        assert.isFalse(ports.has(0))
      })
    ),
    rule(
      "binding an address that is in use fails with a BindError that names it",
      Effect.gen(function* () {
        const { socket } = yield* bind()
        const result = yield* Effect.result(bind({ local: at(socket.address) }))
        assert.strictEqual(result._tag, "Failure")
        if (result._tag === "Success") return
        assert.strictEqual(result.failure._tag, "BindError")
        assert.strictEqual(at(result.failure.address), at(socket.address))
      })
    ),
    rule(
      "both ends of a connection know the address at which the other can be dialled",
      Effect.gen(function* () {
        const { client, far, near, server } = yield* connect()
        assert.strictEqual(at(near.connection.remoteAddress), at(server.socket.address))
        assert.strictEqual(at(far.connection.remoteAddress), at(client.socket.address))
        const back = yield* connected(server.dial(far.connection.remoteAddress))
        const [end] = yield* matched([back], () => client.accepted)
        assert.strictEqual(at(end!.connection.remoteAddress), at(server.socket.address))
      })
    ),
    rule(
      "one socket dials many at once, and each message comes to the peer that it was for",
      Effect.gen(function* () {
        const client = yield* bind()
        const servers = yield* Effect.forEach(Array.from({ length: 8 }), () => bind())
        const dials = servers.map(({ socket }) => client.dial(socket.address))
        const peers = yield* Effect.forEach(dials, connected)
        const ends = yield* matched(peers, () => servers.flatMap(({ accepted }) => accepted))
        for (const [i, { accepted }] of servers.entries()) assert.deepStrictEqual(accepted, [ends[i]!])
      })
    ),
    rule(
      "many sockets dial one at once, and each gets a connection of its own",
      Effect.gen(function* () {
        const server = yield* bind()
        const clients = yield* Effect.forEach(Array.from({ length: 8 }), () => bind())
        const dials = clients.flatMap(({ dial }) => [dial(server.socket.address), dial(server.socket.address)])
        const peers = yield* Effect.forEach(dials, connected)
        const ends = yield* matched(peers, () => server.accepted)
        assert.strictEqual(server.accepted.length, 16)
        const addresses = clients.flatMap(({ socket }) => [at(socket.address), at(socket.address)])
        assert.deepStrictEqual(
          ends.map(({ connection }) => at(connection.remoteAddress)),
          addresses
        )
      })
    ),
    {
      ...rule(
        "a peer that answers from another address than it was dialled at is connected, and said to be where it answers from",
        Effect.gen(function* () {
          const { address, multihomed } = yield* Environment
          const server = yield* bind({ local: multihomed?.bind ?? address })
          const client = yield* bind({ local: multihomed?.bind ?? address })
          const { port } = server.socket.address
          const name = NetAddress.inetAddressFromIpStringUnsafe(multihomed?.dial ?? "127.0.0.1", port)
          let told: string | undefined
          const near = yield* connected(client.dial(name))
          const isElsewhere = () => at(near.connection.remoteAddress) !== at(name)
          const before = near.moves
          if (isElsewhere()) told = at(near.connection.remoteAddress)
          yield* until("the acceptor has the connection", () => server.accepted.length > 0)
          for (let i = 0; i < 3; i++) yield* roundTrip(near)
          yield* roundTrip(server.accepted[0]!)
          yield* until("it is known to answer from elsewhere", isElsewhere)
          if (told === undefined) assert.isAbove(near.moves, before, "a peer that is elsewhere was not said to move")
          // The reported address can be dialled, too.
          yield* roundTrip(yield* connected(client.dial(near.connection.remoteAddress)))
          assert.deepStrictEqual([near.closes, server.accepted.length], [[], 2])
        })
      ),
      multihomed: true
    },
    {
      ...rule(
        "the peer of a dial is where it was dialled until onMoved says that it is elsewhere: packets prove nothing",
        Effect.gen(function* () {
          const { address, multihomed } = yield* Environment
          const server = yield* bind({ local: multihomed?.bind ?? address })
          const name = NetAddress.inetAddressFromIpStringUnsafe(
            multihomed?.dial ?? "127.0.0.1",
            server.socket.address.port
          )
          /** Where the peer is said to be, when the connection is handed over and after each move. */
          const told: Array<string> = []
          const client = yield* bind({
            local: multihomed?.bind ?? address,
            onPeer: ({ connection }) => told.push(at(connection.remoteAddress))
          })
          const near = yield* connected(client.dial(name))
          const moved = () => near.moves + 1 > told.length && told.push(at(near.connection.remoteAddress))
          for (let i = 0; i < 5; i++) {
            yield* roundTrip(near)
            moved()
          }
          yield* until("it is known to answer from elsewhere", () => at(near.connection.remoteAddress) !== at(name))
          moved()
          assert.strictEqual(told[0], at(name))
          assert.strictEqual(near.moves, 1)
          assert.strictEqual(told.length, 2)
        })
      ),
      multihomed: true
    },
    rule(
      "the end of one connection leaves the others between the same sockets alone",
      Effect.gen(function* () {
        const { client, near, server } = yield* connect()
        const second = yield* connected(client.dial(server.socket.address))
        near.connection.close(1, "")
        yield* until("the closer hears of it", () => near.closes.length > 0)
        yield* matched([second], () => server.accepted)
        assert.deepStrictEqual(second.closes, [])
      })
    ),
    rule(
      "dials that cross give two connections, and both carry messages",
      Effect.gen(function* () {
        const [one, two] = [yield* bind(), yield* bind()]
        const dials = [one.dial(two.socket.address), two.dial(one.socket.address)]
        const [fromOne, fromTwo] = yield* Effect.forEach(dials, connected)
        yield* matched([fromOne!], () => two.accepted)
        yield* matched([fromTwo!], () => one.accepted)
        assert.deepStrictEqual([one.accepted.length, two.accepted.length], [1, 1])
      })
    ),
    rule(
      "where connections have seniority, both ends order them alike, also when their dials crossed",
      Effect.gen(function* () {
        const [one, two] = [yield* bind(), yield* bind()]
        for (let round = 0; round < 4; round++) {
          yield* Effect.forEach([one.dial(two.socket.address), two.dial(one.socket.address)], connected)
        }
        yield* until("all are accepted", () => one.accepted.length === 4 && two.accepted.length === 4)
        // Each end sorts the connections in the same order.
        const dialledByOne = yield* matched(two.accepted, () => one.dialled)
        const dialledByTwo = yield* matched(one.accepted, () => two.dialled)
        const atOne = [...dialledByOne, ...one.accepted]
        const atTwo = [...two.accepted, ...dialledByTwo]
        if (ranked([...atOne, ...atTwo])) assert.deepStrictEqual(ranking(atOne), ranking(atTwo))
      })
    ),
    rule(
      "where connections have seniority, the oldest is the least",
      Effect.gen(function* () {
        const [one, two] = [yield* bind(), yield* bind()]
        const made: Array<Peer> = []
        for (let i = 0; i < 6; i++) {
          const [from, to] = i % 2 === 0 ? [one, two] : [two, one]
          const near = yield* connected(from.dial(to.socket.address))
          // Both ends know this connection before the next one is dialled.
          yield* roundTrip(near)
          const [far] = yield* matched([near], () => to.accepted.filter((peer) => !made.includes(peer)))
          made.push(i % 2 === 0 ? near : far!)
        }
        if (ranked(made)) assert.deepStrictEqual(ranking(made), [0, 1, 2, 3, 4, 5])
      })
    ),
    rule(
      "a dial that is given up reports nothing, and the peer keeps no connection of it",
      Effect.gen(function* () {
        const soon = Duration.seconds(3)
        const server = yield* bind({ maxConnections: 1, idleTimeout: soon, handshakeTimeout: soon })
        const client = yield* bind({ keepAliveInterval: Duration.millis(250) })
        const dial = client.dial(server.socket.address)
        dial.cancel()
        dial.cancel()
        // The limit is one connection: no other dial succeeds while the first lives.
        const near = yield* dialledAtLast(client, server.socket.address)
        yield* roundTrip(near)
        assert.deepStrictEqual([dial.connected, dial.failed], [[], []])
      })
    ),
    rule(
      "a dial that is given up leaves its place to another",
      Effect.gen(function* () {
        const deaf = yield* bind({ accept: false })
        const server = yield* bind()
        const client = yield* bind({ maxConnections: 1 })
        const dial = client.dial(deaf.socket.address)
        dial.cancel()
        yield* dialledAtLast(client, server.socket.address)
        assert.deepStrictEqual([dial.connected, dial.failed], [[], []])
      })
    ),
    rule(
      "giving up a dial that has succeeded does nothing",
      Effect.gen(function* () {
        const { client, server } = yield* connect()
        const dial = client.dial(server.socket.address)
        const near = yield* connected(dial)
        dial.cancel()
        for (let i = 0; i < 3; i++) yield* roundTrip(near)
        assert.deepStrictEqual([near.closes, dial.failed], [[], []])
      })
    )
  ]
}
