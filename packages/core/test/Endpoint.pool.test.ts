/**
 * A pool of the program's own, which keeps something else in place of each connection: the endpoint uses that.
 */
import { assert, describe, it } from "@effect/vitest"
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Bootstrap from "../src/Bootstrap.ts"
import type { Connection } from "../src/Connection.ts"
import * as ConnectionPool from "../src/ConnectionPool.ts"
import * as Endpoint from "../src/Endpoint.ts"
import { bytes, textOf } from "./support/values.ts"
import { countingDials, endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

/** What was done with connections, by whom it was done. */
type Log = Array<string>

/** Delegates, as a class of the program's own does. */
class Delegate implements Connection {
  private readonly inner: Connection
  private readonly log: Log

  constructor(inner: Connection, log: Log) {
    this.inner = inner
    this.log = log
  }

  get id() {
    return this.inner.id
  }
  get peerId() {
    return this.inner.peerId
  }
  get accepted() {
    return this.inner.accepted
  }
  get direction() {
    return this.inner.direction
  }
  get remoteAddress() {
    return this.inner.remoteAddress
  }
  get dialledAddress() {
    return this.inner.dialledAddress
  }
  send(...args: Parameters<Connection["send"]>) {
    this.log.push("send")
    return this.inner.send(...args)
  }
  openProtocol(...args: Parameters<Connection["openProtocol"]>) {
    this.log.push("openProtocol")
    return this.inner.openProtocol(...args)
  }
  get maxDatagramSize() {
    return this.inner.maxDatagramSize
  }
  sendDatagram(...args: Parameters<Connection["sendDatagram"]>) {
    return this.inner.sendDatagram(...args)
  }
  openUni(...args: Parameters<Connection["openUni"]>) {
    return this.inner.openUni(...args)
  }
  openBi(...args: Parameters<Connection["openBi"]>) {
    this.log.push("openBi")
    return this.inner.openBi(...args)
  }
  close(...args: Parameters<Connection["close"]>) {
    this.log.push("close")
    return this.inner.close(...args)
  }
  get closed() {
    return this.inner.closed
  }
  get stats() {
    return this.inner.stats
  }
}

const counted = (inner: Connection, log: Log): Pick<Connection, "send" | "openBi" | "openProtocol" | "close"> => ({
  send: (...args) => {
    log.push("send")
    return inner.send(...args)
  },
  openBi: (...args) => {
    log.push("openBi")
    return inner.openBi(...args)
  },
  openProtocol: (...args) => {
    log.push("openProtocol")
    return inner.openProtocol(...args)
  },
  close: (...args) => {
    log.push("close")
    return inner.close(...args)
  }
})

const wrappers: Readonly<Record<string, (inner: Connection, log: Log) => Connection>> = {
  "a class that delegates": (inner, log) => new Delegate(inner, log),
  "a copy made by spreading": (inner, log) => ({ ...inner, ...counted(inner, log) }),
  "an object made by Object.create": (inner, log) =>
    Object.assign(Object.create(inner) as Connection, counted(inner, log)),
  "a Proxy": (inner, log) => {
    const members = counted(inner, log)
    return new Proxy(inner, {
      get: (target, key) => (Reflect.has(members, key) ? members : target)[key as keyof typeof members]
    })
  }
}

/** Keeps wrappers, each the same for as long as its connection lives; and those by `current` and the like only. */
const poolOf = (wrap: (inner: Connection, log: Log) => Connection, log: Log, how: "kept" | "made anew") =>
  Layer.succeed(ConnectionPool.ConnectionPool, {
    open: Effect.map(ConnectionPool.make, (inner): ConnectionPool.Pool => {
      const kept = new Map<Connection, Connection>()
      const wrapped = (connection: Connection) => {
        if (how === "made anew") return wrap(connection, log)
        const known = kept.get(connection) ?? wrap(connection, log)
        kept.set(connection, known)
        return known
      }
      return {
        ...inner,
        current: (peer) => {
          const connection = inner.current(peer)
          return connection && wrapped(connection)
        },
        all: (peer) => inner.all(peer).map(wrapped),
        byId: (id) => Option.map(inner.byId(id), wrapped),
        remove: (connection) => {
          inner.remove(connection)
          kept.delete(connection)
        }
      }
    })
  })

const endpointWith = (pool: Layer.Layer<ConnectionPool.ConnectionPool>, options: Endpoint.Options) =>
  Effect.map(
    Layer.build(Layer.provide(Endpoint.layerWithoutDependencies(options), [pool, Bootstrap.layer])),
    (services) => Context.get(services, Endpoint.Endpoint)
  )

describe("a pool that keeps", () => {
  for (const [what, wrap] of Object.entries(wrappers)) {
    it.effect(`${what} has it used for messages and questions, listed, found and closed`, () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const log: Log = []
          const two = yield* endpoint(there)
          const one = yield* endpointWith(poolOf(wrap, log, "kept"), { localAddress: here, contacts: [there] })
          assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(there))
          // The contact was asked for an echo, and to verify.
          assert.deepStrictEqual(log.splice(0), ["openBi", "openBi"])
          yield* one.sendMessage(bytes("plain"), there)
          yield* one.sendMessage(bytes("urgent"), there, { priority: 7, retryDuration: "1 second" })
          yield* one.trySendMessage(bytes("tried"), there)
          const [listed] = yield* one.connections
          yield* listed!.send(bytes("listed"))
          const connected = yield* one.connectTo(there)
          yield* connected.send(bytes("connected"))
          assert.deepStrictEqual(log.splice(0), ["send", "send", "send", "send", "send"])
          for (const text of ["plain", "urgent", "tried", "listed", "connected"]) {
            assert.strictEqual(textOf((yield* two.nextMessage).payload), text)
          }
          yield* one.openBidirectionalStream(there)
          const stream = yield* one.openProtocol(there, "protocol")
          assert.isTrue(stream.connection === listed)
          assert.strictEqual((yield* one.connections).length, 1)
          assert.isTrue(Option.isSome(yield* one.connectionId(there)))
          yield* one.disconnectFrom(there)
          assert.deepStrictEqual(log.splice(0), ["openBi", "openProtocol", "close"])
          assert.strictEqual((yield* one.nextDisconnection).last, true)
          assert.deepStrictEqual(yield* one.connections, [])
          assert.isTrue(Option.isNone(yield* one.connectionId(there)))
          // One that is made for a message carries it, too.
          yield* one.sendMessage(bytes("again"), there)
          assert.deepStrictEqual(log.splice(0), ["send"])
          yield* one.isReachable(there)
          assert.deepStrictEqual(log, [])
          // Two for connections, one for the contact's verification, one for the own.
          assert.strictEqual(dials.peers.length, 4)
        })
      ).pipe(onNetwork)
    )

    it.effect(`${what} has it handed to the application of the peer that was dialled`, () =>
      Effect.gen(function* () {
        const log: Log = []
        const two = yield* endpointWith(poolOf(wrap, log, "kept"), { localAddress: there })
        const one = yield* endpoint(here)
        const served: Array<Connection> = []
        yield* two.serveProtocol("protocol", ({ connection }) => Effect.sync(() => served.push(connection)))
        for (let i = 0; i < 2; i++) {
          yield* one.connectTo(there)
          yield* settle
          const arrived = yield* two.nextConnection
          assert.strictEqual(arrived.direction, "Inbound")
          assert.strictEqual(`${arrived.remoteAddress}`, here)
          yield* arrived.send(bytes("welcome"))
          assert.deepStrictEqual(log.splice(0), ["send"])
          yield* one.openProtocol(there, "protocol")
          yield* settle
          assert.isTrue(served.pop() === arrived)
          assert.isTrue((yield* two.connections)[0] === arrived)
          yield* arrived.close()
          yield* settle
          assert.deepStrictEqual(log.splice(0), ["close"])
          assert.deepStrictEqual(yield* two.connections, [])
        }
      }).pipe(onNetwork)
    )

    it.effect(`${what} finds the peer that was dialled at one address and answers from another`, () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const network = yield* MemoryNetwork.MemoryNetwork
          const log: Log = []
          const two = yield* endpoint(there)
          yield* network.addAddress("10.0.0.2", "10.0.0.9")
          const one = yield* endpointWith(poolOf(wrap, log, "kept"), { localAddress: here })
          const connection = yield* one.connectTo("10.0.0.9:2")
          yield* settle
          // The copy made by spreading is one of that moment; the pool and the endpoint know where the peer is.
          for (const name of ["10.0.0.9:2", there]) {
            assert.isTrue((yield* one.connectTo(name)) === connection)
            yield* one.sendMessage(bytes(name), name)
            assert.strictEqual(textOf((yield* two.nextMessage).payload), name)
            assert.deepStrictEqual(Option.map(yield* one.addressOf(connection.id), String).pipe(Option.isSome), true)
          }
          assert.strictEqual(dials.peers.length, 1)
          yield* one.disconnectFrom("10.0.0.9:2")
          assert.deepStrictEqual(yield* one.connections, [])
          assert.deepStrictEqual(log, ["send", "send", "close"])
        })
      ).pipe(onNetwork)
    )

    it.effect(`${what}, a new one each time it is asked, works as well`, () =>
      Effect.gen(function* () {
        const log: Log = []
        const two = yield* endpoint(there)
        const one = yield* endpointWith(poolOf(wrap, log, "made anew"), { localAddress: here, contacts: [there] })
        yield* one.sendMessage(bytes("there"), there)
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "there")
        yield* two.sendMessage(bytes("back"), here)
        assert.strictEqual(textOf((yield* one.nextMessage).payload), "back")
        assert.strictEqual((yield* one.connections).length, 1)
        yield* one.disconnectFrom(there)
        assert.strictEqual((yield* one.nextDisconnection).last, true)
        assert.deepStrictEqual(yield* one.connections, [])
        assert.deepStrictEqual(log.slice(-2), ["send", "close"])
      }).pipe(onNetwork)
    )
  }
})
