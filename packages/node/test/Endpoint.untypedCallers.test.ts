/**
 * Callers without types: what they hand over by mistake is a typed error that names it, and never a defect, bytes that
 * nobody meant, or a socket that listens where nobody said.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { runInNewContext } from "node:vm"
import { ConnectionId } from "@qp2p/core/ConnectionId"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as NodeEndpoint from "../src/NodeEndpoint.ts"
import { fromAddress } from "@qp2p/core/ConnectionId"
import { RetrySchedule } from "@qp2p/core/RetrySchedule"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "../src/QuicheTransport.ts"
import { Transport } from "@qp2p/core/Transport"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { onLoopback, pair as livePair } from "./support/quicEndpoints.ts"
import { countingDials, endpoint, onNetwork, pair, settle } from "../../core/test/support/memoryEndpoints.ts"

// What is called against its types has types of its own here.
// @effect-diagnostics unsafeEffectTypeAssertion:off

/** What a program in plain JavaScript would write. */
const untyped = (value: unknown) => value as never

type Failure = readonly [tag: string, message: string]

/** A failure of `effect`, in short: the tags from the outside in, and the message. A defect fails the test. */
const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Failure, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return ["", `succeeded with ${String(exit.value)}`] as const
    const found = Cause.findErrorOption(exit.cause)
    if (Option.isNone(found)) return ["defect", Cause.pretty(exit.cause)] as const
    const error = found.value as { readonly _tag: string; readonly message: string; readonly reason?: { _tag: string } }
    return [error.reason === undefined ? error._tag : `${error._tag} ${error.reason._tag}`, error.message] as const
  })

const hint = ": encode it first, as new TextEncoder().encode(text) does"
const which = ": say which bytes, as new Uint8Array(buffer, offset, length) does"

/** What is no payload, and what is said of it. */
const notPayloads: ReadonlyArray<readonly [unknown, string]> = [
  ["hello", `a text of 5 characters${hint}`],
  ["", `a text of 0 characters${hint}`],
  [[104, 101], "an array of 2"],
  [new Uint16Array([1, 2]), `a Uint16Array of 4 bytes${which}`],
  [new Int8Array(1), `an Int8Array of 1 byte${which}`],
  [new Uint8ClampedArray(1), `a Uint8ClampedArray of 1 byte${which}`],
  [new ArrayBuffer(3), `an ArrayBuffer of 3 bytes${which}`],
  [new DataView(new ArrayBuffer(3)), `a DataView of 3 bytes${which}`],
  [new SharedArrayBuffer(3), "a SharedArrayBuffer of 3 bytes"],
  [null, "null"],
  [undefined, "undefined"],
  [5, "5"],
  [5n, "the bigint 5"],
  [true, "true"],
  [Symbol("hello"), "a symbol"],
  [{}, "an object without fields"],
  [{ length: 5 }, "an object with length"],
  [Object.create(Uint8Array.prototype), "an object without fields"],
  [new Proxy(new Uint8Array(5), {}), "an object with 0, 1, 2, 3 and more"],
  [new Map(), "a Map"],
  [() => bytes("x"), "a function"],
  [Effect.succeed(bytes("x")), "an Effect, which has to be run first, as with `yield*`"],
  [Promise.resolve(bytes("x")), "a Promise, which has to be awaited first"]
]

const notAddresses: ReadonlyArray<readonly [unknown, string]> = [
  [null, "null"],
  [undefined, "undefined"],
  [4433, "4433"],
  [{ host: "127.0.0.1", port: 1 }, "an object with host, port"],
  [{ address: "127.0.0.1", family: "IPv4", port: 1 }, "an object with address, family, port"],
  [[127, 0, 0, 1], "an array of 4"],
  [new URL("udp://127.0.0.1:1"), "a URL"],
  [NetAddress.ipv4Loopback, "an object with"],
  [Effect.succeed("127.0.0.1:1"), "an Effect, which has to be run first, as with `yield*`"],
  [Symbol.iterator, "a symbol"]
]

describe("a payload that is no Uint8Array", () => {
  it.effect("is a SerializationError of every send, which says what it is, and nothing is dialled or sent", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        for (const [payload, what] of notPayloads) {
          const expected: Failure = ["SerializationError", `a message must be a Uint8Array, got ${what}`]
          for (const operation of [one.sendMessage, one.trySendMessage]) {
            assert.deepStrictEqual(yield* failureOf(operation(untyped(payload), "10.0.0.2:2")), expected)
          }
        }
        assert.deepStrictEqual(dials.peers, [])
        const connection = yield* one.connectTo("10.0.0.2:2")
        const stream = yield* connection.openUni()
        const { reply } = yield* Effect.gen(function* () {
          const { receive, send } = yield* connection.openBi()
          yield* send.sendMessage(bytes("question"))
          const message = yield* two.nextMessage
          return { reply: Option.getOrThrow(message.reply), receive }
        })
        for (const [payload, what] of notPayloads) {
          const expected: Failure = ["SerializationError", `a message must be a Uint8Array, got ${what}`]
          for (const operation of [
            one.sendMessage(untyped(payload), "10.0.0.2:2"),
            one.trySendMessage(untyped(payload), "10.0.0.2:2"),
            connection.send(untyped(payload)),
            stream.sendMessage(untyped(payload)),
            reply.sendMessage(untyped(payload))
          ]) {
            assert.deepStrictEqual(yield* failureOf(operation), expected)
          }
        }
        yield* one.sendMessage(bytes("after"), "10.0.0.2:2")
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "after")
      })
    ).pipe(onNetwork)
  )

  it.effect("is none, for a Uint8Array of any realm", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const foreign = runInNewContext("Uint8Array.from([104, 105])") as Uint8Array
      assert.isFalse(foreign instanceof Uint8Array)
      class Own extends Uint8Array {}
      for (const payload of [foreign, Buffer.from("hi"), Own.from(bytes("hi")), bytes("ohio").subarray(1, 3)]) {
        yield* one.sendMessage(payload, "10.0.0.2:2")
        const received = yield* two.nextMessage
        assert.strictEqual(textOf(received.payload), textOf(Uint8Array.from(payload)))
      }
    }).pipe(onNetwork)
  )
})

describe("a peer that is no address", () => {
  it.effect("is an InvalidAddress that says what it is, of everything that can fail with one", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const payload = bytes("x")
        for (const [peer, what] of notAddresses) {
          const invalid = `cannot dial ${what}`
          const operations: ReadonlyArray<readonly [Effect.Effect<unknown, unknown>, string]> = [
            [one.connectTo(untyped(peer)), "InvalidAddress"],
            [one.openBidirectionalStream(untyped(peer)), "InvalidAddress"],
            [one.bootstrap([untyped(peer)]), "InvalidAddress"],
            [one.isReachable(untyped(peer)), "ConnectionLost InvalidAddress"],
            [one.sendMessage(payload, untyped(peer)), "ConnectionLost InvalidAddress"],
            [one.trySendMessage(payload, untyped(peer)), "ConnectionLost InvalidAddress"]
          ]
          for (const [operation, tag] of operations) {
            const [found, message] = yield* failureOf(operation)
            assert.strictEqual(found, tag, message)
            assert.isTrue(message.startsWith(invalid), message)
            assert.include(
              message,
              `a peer is text such as "127.0.0.1:4433" or "ID@127.0.0.1:4433", a PeerId, a PeerAddress or an InetAddress`
            )
          }
          const { attempts } = yield* Effect.flip(one.connectToAny([untyped(peer)]))
          assert.isTrue(typeof attempts[0]?.peer === "string" && attempts[0].peer.startsWith(what))
          assert.strictEqual(attempts[0]?.error._tag, "InvalidAddress")
          for (const operation of [one.disconnectFrom(untyped(peer)), one.connectionId(untyped(peer))]) {
            const [found, message] = yield* failureOf(operation)
            assert.strictEqual(found, "InvalidArgument", message)
            assert.include(message, `peer must be a peer, got ${what}`)
          }
        }
        assert.deepStrictEqual(dials.peers, [])
      })
    ).pipe(onNetwork)
  )

  it.effect("is one of many that are no list, or a list with a gap: nothing waits for it", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      for (const peers of [null, "10.0.0.2:2", { 0: "10.0.0.2:2", length: 1 }, new Set(["10.0.0.2:2"]), undefined]) {
        const { attempts } = yield* Effect.flip(one.connectToAny(untyped(peers)))
        assert.include(attempts[0]?.error.message, "peers must be an array of addresses")
        if (peers === undefined) continue
        const [tag, message] = yield* failureOf(one.bootstrap(untyped(peers)))
        assert.deepStrictEqual([tag, message.includes("peers must be an array")], ["InvalidAddress", true])
      }
      // oxlint-disable-next-line no-sparse-arrays -- a gap is what is tried
      const { attempts } = yield* Effect.flip(one.connectToAny(untyped([, "nowhere"])))
      assert.deepStrictEqual(
        attempts.map(({ peer }) => peer),
        ["undefined", "nowhere"]
      )
    }).pipe(onNetwork)
  )
})

/** An object of which every look throws. */
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe("options", () => {
  const wrongSends: ReadonlyArray<readonly [unknown, string]> = [
    [{ priorty: 1 }, "options.priorty is an unknown option; the options are priority and retryDuration"],
    [{ priority: "high" }, `options.priority must be a finite number, got the text "high"`],
    [{ priority: Number.NaN }, "options.priority must be a finite number, got NaN"],
    [{ priority: Infinity }, "options.priority must be a finite number, got Infinity"],
    [{ priority: 5n }, "options.priority must be a finite number, got the bigint 5"],
    [{ priority: null }, "options.priority must be a finite number, got null"],
    [{ priority: revoked() }, "options.priority must be a finite number, got something that cannot be inspected"],
    [{ retryDuration: "soon" }, `options.retryDuration must be 0 or more, as a duration`],
    [{ retryDuration: Number.NaN }, `options.retryDuration must be 0 or more, as a duration`],
    [{ retryDuration: -1 }, `options.retryDuration must be 0 or more, as a duration`],
    [{ retryDuration: { second: 5 } }, `options.retryDuration must be 0 or more, as a duration`],
    [null, "options must be an object, got null"],
    [5, "options must be an object, got 5"],
    ["priority", `options must be an object, got the text "priority"`],
    [[], "options must be an object, got an array of 0"],
    [new Map([["priority", 1]]), "options must be an object, got a Map"],
    [revoked(), "options cannot be inspected"],
    [Effect.succeed({}), "options must be an object, got an Effect"]
  ]

  it.effect(
    "of a send that there are not, or that mean nothing, are a SerializationError before anything is dialled",
    () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const [one] = yield* pair()
          for (const [options, reason] of wrongSends) {
            const [tag, message] = yield* failureOf(one.sendMessage(bytes("x"), "10.0.0.2:2", untyped(options)))
            assert.strictEqual(tag, "SerializationError", message)
            assert.include(message, reason)
          }
          const [tag, message] = yield* failureOf(
            one.trySendMessage(bytes("x"), "10.0.0.2:2", untyped({ retryDuration: 5 }))
          )
          assert.deepStrictEqual(
            [tag, message],
            ["SerializationError", "options.retryDuration is an unknown option; the only option is priority"]
          )
          assert.deepStrictEqual(dials.peers, [])
          yield* one.sendMessage(bytes("x"), "10.0.0.2:2", { priority: undefined, retryDuration: undefined })
          const connection = yield* one.connectTo("10.0.0.2:2")
          const stream = yield* connection.openUni()
          for (const [options, reason] of [
            [{ fin: 1 }, "options.fin must be true or false, got 1"],
            [{ finish: true }, "options.finish is an unknown option; the only option is fin"],
            [true, "options must be an object, got true"]
          ] as const) {
            const [tag, message] = yield* failureOf(stream.sendMessage(bytes("x"), untyped(options)))
            assert.deepStrictEqual([tag, message], ["SerializationError", reason])
          }
          // Nothing of it was sent, and nothing ended.
          yield* stream.sendMessage(bytes("x"), { fin: true })
          assert.deepStrictEqual(yield* failureOf(connection.send(bytes("x"), untyped({ retryDuration: 5 }))), [
            tag,
            message
          ])
        })
      ).pipe(onNetwork)
  )

  it.effect(
    "of a stream that there are not, or that mean nothing, are an InvalidArgument before anything is dialled",
    () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const [one] = yield* pair()
          const wrong: ReadonlyArray<readonly [unknown, string]> = [
            [{ priorty: 1 }, "options.priorty is an unknown option; the only option is priority"],
            [{ priority: "1" }, `options.priority must be a finite number, got the text "1"`],
            [null, "options must be an object, got null"]
          ]
          for (const [options, reason] of wrong) {
            const expected: Failure = ["InvalidArgument", reason]
            const open = one.openBidirectionalStream("10.0.0.2:2", untyped(options))
            assert.deepStrictEqual(yield* failureOf(open), expected)
          }
          assert.deepStrictEqual(dials.peers, [])
          const connection = yield* one.connectTo("10.0.0.2:2")
          for (const [options, reason] of wrong) {
            const expected: Failure = ["InvalidArgument", reason]
            assert.deepStrictEqual(yield* failureOf(connection.openUni(untyped(options))), expected)
            assert.deepStrictEqual(yield* failureOf(connection.openBi(untyped(options))), expected)
          }
        })
      ).pipe(onNetwork)
  )

  it.effect("of a close that there are not, or that mean nothing, are an InvalidArgument, and nothing is closed", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      for (const [options, message] of [
        [{ cod: 1 }, "options.cod is an unknown option; the options are code and detail"],
        [{ code: "1" }, `options.code must be a number, got the text "1"`],
        [{ detail: 5 }, "options.detail must be a string, got 5"],
        [null, "options must be an object, got null"],
        [7, "options must be an object, got 7"]
      ] as const) {
        const expected: Failure = ["InvalidArgument", message]
        assert.deepStrictEqual(yield* failureOf(connection.close(untyped(options))), expected)
      }
      yield* one.sendMessage(bytes("still open"), "10.0.0.2:2")
      assert.strictEqual((yield* two.nextMessage).connectionId, (yield* two.nextConnection).id)
    }).pipe(onNetwork)
  )

  it.effect(
    "of an endpoint that there are not, or that mean nothing, are an EndpointConfigError, and nothing is bound",
    () =>
      Effect.gen(function* () {
        const transport = yield* Transport
        const bound: Array<string> = []
        const counting = Transport.of({
          bind: (options, events) => {
            bound.push(String(options.localAddress))
            return transport.bind(options, events)
          }
        })
        const names = "the options are localAddress, contacts, streams, identity and config"
        const expected = 'an address is text such as "127.0.0.1:4433", or an InetAddress'
        const wrong: ReadonlyArray<readonly [unknown, string]> = [
          [{ localAdress: "127.0.0.1:0" }, `localAdress: is an unknown option; ${names}`],
          [{ localAddress: { host: "127.0.0.1", port: 0 } }, `localAddress: an object with host, port: ${expected}`],
          [{ localAddress: null }, `localAddress: null: ${expected}`],
          [{ localAddress: 4433 }, `localAddress: 4433: ${expected}`],
          [{ localAddress: Effect.succeed("127.0.0.1:0") }, "localAddress: an Effect"],
          [{ contacts: "127.0.0.1:1" }, `contacts: must be an array, got the text "127.0.0.1:1"`],
          [{ contacts: null }, "contacts: must be an array, got null"],
          [{ contacts: new Set(["127.0.0.1:1"]) }, "contacts: must be an array, got a Set"],
          [{ contacts: [null] }, "contacts.0: null"],
          // oxlint-disable-next-line no-sparse-arrays -- a gap is what is tried
          [{ contacts: ["127.0.0.1:1", ,] }, "contacts.1: undefined"],
          [{ config: null }, "config: must be an object of settings"],
          [{ config: [] }, "config: must be an object of settings"],
          [{ config: new Map() }, "config: must be an object of settings"],
          [{ config: Promise.resolve({}) }, "config: must be an object of settings"],
          [{ idleTimeout: 5 }, `idleTimeout: is an unknown option; ${names}`],
          [null, "options: must be an object, got null"],
          ["127.0.0.1:0", `options: must be an object, got the text "127.0.0.1:0"`],
          [[], "options: must be an object, got an array of 0"],
          [4433, "options: must be an object, got 4433"],
          [Promise.resolve({}), "options: must be an object, got a Promise"],
          [Effect.succeed({}), "options: must be an object, got an Effect"]
        ]
        for (const [options, reason] of wrong) {
          const built = (layer: Layer.Layer<Endpoint.Endpoint, unknown, unknown>) =>
            Effect.scoped(
              Layer.build(layer as Layer.Layer<Endpoint.Endpoint, unknown, Transport | PortMapper.PortMapper>)
            )
          type Start = Effect.Effect<unknown, unknown, Transport | PortMapper.PortMapper | Scope.Scope>
          for (const start of [
            Endpoint.make(untyped(options)),
            Endpoint.makeClient(untyped(options)),
            built(Endpoint.layer(untyped(options))),
            built(Endpoint.layerClient(untyped(options)))
          ]) {
            const [tag, message] = yield* failureOf(Effect.provideService(start as Start, Transport, counting))
            assert.strictEqual(tag, "EndpointConfigError", message)
            assert.isTrue(message.startsWith(reason), message)
          }
          // On real sockets: it must not come to one.
          const [tag, message] = yield* failureOf(built(NodeEndpoint.layer(untyped(options))))
          assert.deepStrictEqual([tag, message.startsWith(reason)], ["EndpointConfigError", true], message)
        }
        assert.deepStrictEqual(bound, [])
      }).pipe(onNetwork)
  )

  it.effect("from Config that is none are an EndpointConfigError", () =>
    Effect.gen(function* () {
      for (const options of [null, 5, "qp2p", { localAddress: "127.0.0.1:0" }, { config: 5 }, Effect.void]) {
        for (const layer of [Endpoint.layerConfig(untyped(options)), Endpoint.layerClientConfig(untyped(options))]) {
          const [tag, message] = yield* failureOf(Effect.scoped(Layer.build(layer)))
          assert.strictEqual(tag, "EndpointConfigError", message)
        }
      }
      const [tag, message] = yield* failureOf(Endpoint.config(untyped(5)))
      assert.deepStrictEqual([tag, message.includes("path must be a string, got 5")], ["ConfigError", true])
    }).pipe(onNetwork)
  )

  it.live("of the transport that there are not, or that mean nothing, are a BindError", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [unknown, string]> = [
        [
          { maxUdpPaylaod: 1_200 },
          "options.maxUdpPaylaod is an unknown option; the options are maxUdpPayload, openSocket and interfaces"
        ],
        [{ maxUdpPayload: "1200" }, "options.maxUdpPayload must be an integer between 1200 and 16383"],
        [{ maxUdpPayload: Number.NaN }, "options.maxUdpPayload must be an integer between 1200 and 16383"],
        [{ openSocket: "udp4" }, `options.openSocket must be a function, got the text "udp4"`],
        [{ openSocket: () => null }, "what openSocket returns must be an Effect, got null"],
        [{ openSocket: () => Effect.succeed({}) }, "the socket of openSocket.reader must be an Effect, got undefined"],
        [{ openSocket: async () => null }, "what openSocket returns must be an Effect, got a Promise"],
        [{ openSocket: () => JSON.parse("{") }, "openSocket threw"],
        [null, "options must be an object, got null"]
      ]
      for (const [options, reason] of wrong) {
        const layer = Layer.provide(Endpoint.layer({ localAddress: "127.0.0.1:0" }), [
          QuicheTransport.layer(untyped(options)),
          PortMapper.layerNone
        ])
        const [tag, message] = yield* failureOf(Effect.scoped(Layer.build(layer)))
        assert.strictEqual(tag, "BindError", message)
        assert.include(message, reason)
      }
    })
  )
})

describe("numbers", () => {
  it.effect("of streams that are none are an InvalidArgument, and the stream goes on", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const { receive, send } = yield* one.openBidirectionalStream("10.0.0.2:2")
      for (const value of ["7", null, undefined, 7n, {}, Symbol("7")]) {
        for (const [name, operation] of [
          ["code", send.reset(untyped(value))],
          ["code", receive.stop(untyped(value))],
          ["priority", send.setPriority(untyped(value))]
        ] as const) {
          const [tag, message] = yield* failureOf(operation)
          assert.strictEqual(tag, "InvalidArgument", message)
          assert.include(message, `${name} must be a number, got `)
        }
      }
      const [tag, message] = yield* failureOf(one.addressOf(untyped(5)))
      assert.deepStrictEqual<unknown>([tag, message], ["InvalidArgument", "id must be a string, got 5"])
      yield* send.sendMessage(bytes("on"))
      const { reply } = yield* two.nextMessage
      yield* Option.getOrThrow(reply).sendMessage(bytes("and on"))
      assert.strictEqual(textOf(yield* receive.next), "and on")
    }).pipe(onNetwork)
  )
})

describe("policies that a program provides", () => {
  it.effect("are an EndpointConfigError when they are no functions", () =>
    Effect.gen(function* () {
      const start = Endpoint.make({ localAddress: "10.0.0.1:1" })
      for (const [context, name] of [
        [Context.make(ConnectionId, untyped("name")), "ConnectionId"],
        [Context.make(RetrySchedule, untyped(null)), "RetrySchedule"]
      ] as const) {
        const [tag, message] = yield* failureOf(Effect.provideContext(start, context))
        assert.strictEqual(tag, "EndpointConfigError", message)
        assert.include(message, `${name}: must be a function, got `)
      }
      yield* start
    }).pipe(onNetwork)
  )

  it.effect("name a peer by its address when they throw or give no name, and say so once", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const make = (address: string, namer: unknown) =>
        Effect.provide(
          Effect.provideService(Endpoint.make({ localAddress: address }), ConnectionId, untyped(namer)),
          Logger.layer([logger])
        )
      const throwing = yield* make("10.0.0.1:1", () => {
        throw new Error("no name")
      })
      const nameless = yield* make("10.0.0.2:2", () => undefined)
      const connection = yield* throwing.connectTo("10.0.0.2:2")
      assert.strictEqual(connection.id, fromAddress(connection.remoteAddress))
      const incoming = yield* nameless.nextConnection
      assert.strictEqual(incoming.id, fromAddress(incoming.remoteAddress))
      yield* connection.close()
      yield* throwing.connectTo("10.0.0.2:2")
      yield* settle
      assert.deepStrictEqual(lines.toSorted(), [
        `ConnectionId must make a string, got the error "no name": peers are named by their addresses instead`,
        "ConnectionId must make a string, got undefined: peers are named by their addresses instead"
      ])
    }).pipe(onNetwork)
  )

  it.effect("fail a dial with InvalidArgument when they make no Schedule", () =>
    Effect.gen(function* () {
      for (const policy of [
        () => undefined,
        () => "1 second",
        () => {
          throw new Error("no schedule")
        }
      ]) {
        const one = yield* Effect.provideService(
          Endpoint.make({ localAddress: "10.0.0.1:0" }),
          RetrySchedule,
          untyped(policy)
        )
        const [tag, message] = yield* failureOf(one.connectTo("10.0.0.9:9"))
        assert.deepStrictEqual(
          [tag, message.startsWith("RetrySchedule must make a Schedule, got ")],
          ["InvalidArgument", true]
        )
        assert.deepStrictEqual(
          (yield* failureOf(one.sendMessage(bytes("x"), "10.0.0.9:9")))[0],
          "ConnectionLost InvalidArgument"
        )
      }
    }).pipe(onNetwork)
  )
})

describe("a payload whose buffer goes elsewhere", () => {
  /** As `postMessage` does with what it is told to transfer. */
  const transfer = (payload: Uint8Array) => void structuredClone(payload, { transfer: [payload.buffer as ArrayBuffer] })

  const lost: Failure = [
    "SerializationError",
    "the payload's buffer was transferred or resized before the message was sent"
  ]

  const body = Effect.fnUntraced(function* (
    [one, two]: ReadonlyArray<Endpoint.Endpoint["Service"]>,
    sizes: ReadonlyArray<number>
  ) {
    const peer = two!.localAddress
    const connection = yield* one!.connectTo(peer)
    const gone = new Uint8Array(10)
    transfer(gone)
    for (const send of [one!.sendMessage(gone, peer), connection.send(gone)]) {
      const [tag, message] = yield* failureOf(send)
      assert.strictEqual(tag, "SerializationError", message)
      assert.include(message, "transferred")
    }
    // Alone on its stream, and with others before and behind it.
    for (const [size, others] of sizes.flatMap((size) => [[size, 0] as const, [size, 3] as const])) {
      const payload = new Uint8Array(size).fill(1)
      const names = (place: string) => Array.from({ length: others }, (_, i) => `${place} ${i}`)
      const all = (place: string) => names(place).map((name) => failureOf(connection.send(bytes(name))))
      const sends = [
        failureOf(connection.send(payload)),
        ...all("before"),
        ...all("behind"),
        failureOf(Effect.sync(() => transfer(payload)))
      ]
      const [outcome] = yield* Effect.all(sends, { concurrency: "unbounded" })
      assert.deepStrictEqual(outcome, lost, `${size} bytes with ${others} others`)
      const received = yield* Effect.forEach([...names("before"), ...names("behind")], () => two!.nextMessage)
      assert.deepStrictEqual(received.map(({ payload }) => textOf(payload)).toSorted(), [
        ...names("before"),
        ...names("behind")
      ])
    }
    yield* one!.sendMessage(bytes("after"), peer)
    assert.strictEqual(textOf((yield* two!.nextMessage).payload), "after")
  })

  // In memory a short one is on its way as soon as it is handed over.
  it.effect(
    "before it has left is not sent nor confirmed: no other bytes are sent instead, and the others arrive",
    () => Effect.flatMap(pair(), (both) => body(both, [3_000_000])).pipe(onNetwork)
  )

  it.live("before it has left is not sent nor confirmed, over QUIC, alone or with others on its stream", () =>
    Effect.flatMap(livePair(), (both) => body(both, [100, 3_000_000])).pipe(onLoopback)
  )

  it.live("half-way looks whole to no receiver, and spoils nothing but its stream", () =>
    Effect.gen(function* () {
      const [one, two] = yield* livePair()
      const { receive, send } = yield* two.openBidirectionalStream(one.localAddress)
      yield* send.sendMessage(bytes("question"))
      const reply = Option.getOrThrow((yield* one.nextMessage).reply)
      const first = reply.sendMessage(new Uint8Array(1_000_000))
      const [received] = yield* Effect.all([receive.next, first], { concurrency: "unbounded" })
      assert.lengthOf(received, 1_000_000)
      // More than there is room for on the way, while the receiver does not read.
      const payload = new Uint8Array(8_000_000)
      const sending = yield* Effect.forkChild(failureOf(reply.sendMessage(payload)), { startImmediately: true })
      transfer(payload)
      assert.strictEqual((yield* failureOf(receive.next))[0], "StreamLost StreamReset")
      assert.strictEqual((yield* Fiber.join(sending))[0], "StreamLost StreamClosed")
      assert.strictEqual((yield* failureOf(reply.finish))[0], "StreamLost StreamClosed")
      yield* one.sendMessage(bytes("after"), two.localAddress)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "after")
    }).pipe(onLoopback)
  )

  it.live("is sent as it is at the call when it is shared with other threads, or may change its size", () =>
    Effect.gen(function* () {
      const [one, two] = yield* livePair()
      for (const size of [10, 100_000]) {
        const shared = new Uint8Array(new SharedArrayBuffer(size)).fill(7)
        const [message] = yield* Effect.all([two.nextMessage, one.sendMessage(shared, two.localAddress)], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(message.payload, new Uint8Array(size).fill(7))
      }
    }).pipe(onLoopback)
  )
})

describe("an operation that was not yielded", () => {
  it.effect("does nothing, and can be handed over as nothing else", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      void one.sendMessage(bytes("never"), "10.0.0.2:2")
      const waiting = Endpoint.make({ localAddress: "10.0.0.3:3" })
      const [tag, message] = yield* failureOf(
        one.connectTo(untyped((waiting as never as { localAddress: string }).localAddress))
      )
      assert.deepStrictEqual([tag, message.includes("undefined")], ["InvalidAddress", true])
      yield* one.sendMessage(bytes("sent"), "10.0.0.2:2")
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "sent")
      assert.isTrue(Stream.isStream(two.incomingMessages))
    }).pipe(onNetwork)
  )
})
