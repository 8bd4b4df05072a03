import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Context from "effect/Context"
import * as Scope from "effect/Scope"
import * as Endpoint from "../src/Endpoint.ts"
import { PeerPolicy } from "../src/PeerPolicy.ts"
import * as Protocol from "../src/Protocol.ts"
import { ProtocolRefused, ProtocolTaken } from "../src/ProtocolError.ts"
import { client, endpoint, onNetwork, pair, peer, settle, takenTexts } from "./support/memoryEndpoints.ts"
import { manual } from "./support/manualStreams.ts"
import { attacked, bareAcceptor, joined, openRaw, openReq, openResp, shout, textFrom } from "./support/protocols.ts"
import { bytes, textOf } from "./support/values.ts"

/** Asks a question in a protocol, and returns the answer. */
const asked = (from: Endpoint.Endpoint["Service"], to: string, name: string, question: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* from.openProtocol(to, name)
      yield* Effect.forkChild(stream.write(bytes(question), { fin: true }))
      return yield* textFrom(stream)
    })
  )

describe("a protocol", () => {
  it.effect("answers on the stream that opened it, and both sides know the peer", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const streams: Array<Protocol.ProtocolStream> = []
        yield* two.serveProtocol("shout", (stream) => {
          streams.push(stream)
          return shout(stream)
        })
        const stream = yield* one.openProtocol(peer, "shout")
        yield* stream.write(bytes("hel"))
        yield* stream.write(bytes("lo"), { fin: true })
        assert.strictEqual(yield* textFrom(stream), "hello!")
        assert.deepStrictEqual([stream.protocol, stream.peerId], ["shout", two.peerId])
        const [served] = streams
        assert.deepStrictEqual([served?.protocol, served?.peerId], ["shout", one.peerId])
        assert.deepStrictEqual(yield* one.connections, [stream.connection])
        assert.deepStrictEqual(yield* two.connections, [served!.connection])
      })
    )
  )

  it.effect("shares a connection with others and with messages, in both directions", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* two.serveProtocol("a", shout)
        yield* two.serveProtocol("b", (stream) => stream.write(bytes("b says nothing"), { fin: true }))
        yield* one.serveProtocol("a", (stream) => stream.write(bytes("one"), { fin: true }))
        yield* one.sendMessage(bytes("message"), peer)
        assert.strictEqual(yield* asked(one, peer, "a", "x"), "x!")
        assert.strictEqual(yield* asked(one, peer, "b", "x"), "b says nothing")
        assert.strictEqual(yield* asked(two, "10.0.0.1:1", "a", "x"), "one")
        assert.deepStrictEqual(yield* takenTexts(two), ["message"])
        assert.lengthOf(yield* one.connections, 1)
      })
    )
  )

  it.effect("is opened and served by endpoints that cannot be dialled", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* client("10.0.0.1:1")
        const two = yield* endpoint("10.0.0.2:2")
        yield* one.serveProtocol("from the client", shout)
        yield* two.serveProtocol("from the other", (stream) =>
          Effect.gen(function* () {
            const back = yield* stream.connection.openProtocol("from the client")
            yield* back.write(bytes("and back"), { fin: true })
            yield* stream.write(bytes(yield* textFrom(back)), { fin: true })
          })
        )
        assert.strictEqual(yield* asked(one, peer, "from the other", ""), "and back!")
      })
    )
  )

  it.effect("does not appear among the streams that an application reads itself", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const two = yield* manual(peer)
        yield* two.serveProtocol("shout", shout)
        assert.strictEqual(yield* asked(one, peer, "shout", "x"), "x!")
        assert.include(yield* Effect.flip(asked(one, peer, "other", "x")), { _tag: "ProtocolRefused" })
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(two.nextStream, 0)))
        yield* one.sendMessage(bytes("read by the application"), peer)
        assert.isTrue(Option.isSome(yield* Effect.timeoutOption(two.nextStream, 0)))
      })
    )
  )

  it.effect("is served although the application takes no messages, and its queue is full", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair({}, { messageBuffer: 1 })
        yield* two.serveProtocol("shout", shout)
        for (let i = 0; i < 50; i++) yield* Effect.forkChild(one.sendMessage(bytes("x".repeat(20_000)), peer))
        for (let i = 0; i < 20; i++) {
          const { send } = yield* one.openBidirectionalStream(peer)
          yield* Effect.forkChild(send.sendMessage(bytes("y"), { fin: true }))
        }
        yield* settle
        assert.strictEqual(yield* asked(one, peer, "shout", "x".repeat(100_000)), `${"x".repeat(100_000)}!`)
      })
    )
  )

  it.effect("runs before the peer has accepted the connection", () =>
    onNetwork(
      Effect.gen(function* () {
        const decision = yield* Deferred.make<boolean>()
        const two = yield* Effect.provideService(endpoint(peer), PeerPolicy, () => Deferred.await(decision))
        const one = yield* endpoint("10.0.0.1:1")
        yield* two.serveProtocol("shout", shout)
        const stream = yield* one.openProtocol(peer, "shout")
        yield* stream.write(bytes("early"))
        const asking = yield* Effect.forkChild(textFrom(stream))
        yield* settle
        assert.isUndefined(asking.pollUnsafe())
        yield* Deferred.succeed(decision, true)
        yield* stream.finish
        assert.strictEqual(yield* Fiber.join(asking), "early!")
      })
    )
  )
})

describe("the names of protocols", () => {
  const wrong = ["", "x".repeat(256), "\u00e4".repeat(128), "\ud800", 1, null, undefined, {}, Uint8Array.of(97)]
  const right = ["x", "x".repeat(255), "\u00e4".repeat(127), "\ufeff", "\0", "\u{1f600}"]

  it.effect("are 1 to 255 bytes of UTF-8: anything else is a typed error, before a dial", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        for (const name of wrong as ReadonlyArray<string>) {
          const error = yield* Effect.flip(Effect.scoped(one.openProtocol(peer, name)))
          assert.include(error, { _tag: "InvalidArgument", argument: "name" })
          const refused = yield* Effect.flip(two.serveProtocol(name, () => Effect.void))
          assert.strictEqual(refused._tag, "ProtocolTaken")
          assert.include(refused.reason, { _tag: "InvalidArgument", argument: "name" })
          assert.isString(refused.protocol)
          assert.include(refused.message, "must be a text of 1 to 255 bytes of UTF-8")
        }
        yield* settle
        assert.lengthOf(yield* one.connections, 0)
        const connection = yield* one.connectTo(peer)
        for (const name of wrong as ReadonlyArray<string>) {
          const error = yield* Effect.flip(Effect.scoped(connection.openProtocol(name)))
          assert.include(error, { _tag: "InvalidArgument", argument: "name" })
        }
        const served: Array<string> = []
        for (const name of right) {
          yield* two.serveProtocol(name, ({ protocol }) => Effect.sync(() => served.push(protocol)))
          assert.strictEqual(yield* asked(one, peer, name, ""), "")
        }
        assert.deepStrictEqual(served, right)
      })
    )
  )

  it.effect("that cannot be served have one error, whatever a caller without types passes", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const serve = one.serveProtocol as unknown as (
          ...given: ReadonlyArray<unknown>
        ) => Effect.Effect<void, ProtocolTaken, Scope.Scope>
        const cases: ReadonlyArray<readonly [argument: string, ...given: ReadonlyArray<unknown>]> = [
          ["name", undefined, shout],
          ["name", 5, shout],
          ["handler", "name"],
          ["handler", "name", Effect.void],
          ["options", "name", shout, 5],
          ["options.maxStreams", "name", shout, { maxStreams: 0 }],
          ["options.maxStreamsPerPeer", "name", shout, { maxStreamsPerPeer: 5_000 }],
          ["options.maxStream", "name", shout, { maxStream: 1 }]
        ]
        for (const [argument, ...given] of cases) {
          const exit = yield* Effect.exit(serve(...given))
          const error = Option.getOrThrow(Exit.findErrorOption(exit))
          assert.instanceOf(error, ProtocolTaken)
          assert.strictEqual(error.reason?.argument, argument)
          const layered = yield* Effect.exit(
            Effect.provideService(
              Layer.build(
                (
                  Protocol.layer as (
                    ...given: ReadonlyArray<unknown>
                  ) => Layer.Layer<never, ProtocolTaken, Endpoint.Endpoint>
                )(...given)
              ),
              Endpoint.Endpoint,
              one
            )
          )
          assert.deepStrictEqual(Option.getOrThrow(Exit.findErrorOption(layered)), error)
        }
        // Nothing of that has taken the name.
        yield* one.serveProtocol("name", shout)
      })
    )
  )

  it.effect("are taken once, until the scope closes", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const scope = yield* Scope.make()
        yield* Scope.provide(two.serveProtocol("shout", shout), scope)
        assert.deepStrictEqual(
          yield* Effect.flip(two.serveProtocol("shout", shout)),
          new ProtocolTaken({ protocol: "shout" })
        )
        yield* one.serveProtocol("shout", shout)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(
          yield* Effect.flip(asked(one, peer, "shout", "")),
          new ProtocolRefused({ peer: two.peerId, protocol: "shout", kind: "NotServed" })
        )
        yield* two.serveProtocol("shout", shout)
        assert.strictEqual(yield* asked(one, peer, "shout", "x"), "x!")
      })
    )
  )

  it.effect("are served as long as their layer lives", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        class Suffix extends Context.Service<Suffix, string>()("@qp2p/core/test/Endpoint.protocols.test/Suffix") {}
        const layer = Protocol.layer("suffix", (stream) =>
          Effect.gen(function* () {
            yield* stream.write(bytes(`${yield* textFrom(stream)}${yield* Suffix}`), { fin: true })
          })
        ).pipe(Layer.provide([Layer.succeed(Suffix, "?"), Layer.succeed(Endpoint.Endpoint, two)]))
        const answer = yield* Effect.provide(asked(one, peer, "suffix", "x"), layer)
        assert.strictEqual(answer, "x?")
        assert.include(yield* Effect.flip(asked(one, peer, "suffix", "x")), { _tag: "ProtocolRefused" })
      })
    )
  )
})

describe("the first frames", () => {
  it.effect("leave with the first bytes that are written in the same turn, and else alone", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const { streams } = yield* bareAcceptor(peer)
        const early = yield* one.openProtocol(peer, "early")
        yield* early.write(bytes("x"))
        yield* settle
        yield* one.openProtocol(peer, "silent")
        yield* settle
        const whole = yield* one.openProtocol(peer, "whole")
        yield* Effect.forkChild(whole.write(bytes("y"), { fin: true }), { startImmediately: true })
        yield* settle
        const empty = yield* one.openProtocol(peer, "empty")
        yield* Effect.forkChild(empty.finish, { startImmediately: true })
        yield* settle
        assert.deepStrictEqual(
          streams.map(({ chunks, ends }) => [chunks, ends]),
          [
            [[joined([openReq("early"), bytes("x")])], []],
            [[openReq("silent")], []],
            [[joined([openReq("whole"), bytes("y")])], ["fin"]],
            [[openReq("empty")], ["fin"]]
          ]
        )
      })
    )
  )

  it.effect("of an acceptor leave with its first bytes, or with its end", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, one } = yield* attacked
        yield* one.serveProtocol("quiet", () => Effect.void)
        const silent = yield* Deferred.make<void>()
        yield* one.serveProtocol("silent", () => Deferred.await(silent))
        const shouting = openRaw(connection, joined([openReq("shout"), bytes("x")]), true)
        const quiet = openRaw(connection, openReq("quiet"))
        const nothing = openRaw(connection, openReq("silent"))
        yield* settle
        assert.deepStrictEqual(
          [shouting.chunks, shouting.ends],
          [[joined([openResp("Accepted"), bytes("x!")])], ["fin"]]
        )
        assert.deepStrictEqual([quiet.chunks, quiet.ends], [[openResp("Accepted")], ["fin"]])
        assert.deepStrictEqual(nothing.chunks, [])
        yield* Deferred.succeed(silent, undefined)
        yield* settle
        assert.deepStrictEqual([nothing.chunks, nothing.ends], [[openResp("Accepted")], ["fin"]])
      })
    )
  )

  it.effect("are read however they are cut, and what follows them stays whole", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection } = yield* attacked
        const opening = joined([openReq("shout"), bytes("xyz")])
        for (const cut of Array.from(opening, (_, i) => i).slice(1)) {
          const stream = openRaw(connection, opening.subarray(0, cut))
          yield* settle
          stream.write(opening.subarray(cut), true)
          yield* settle
          assert.strictEqual(textOf(joined(stream.chunks).subarray(17)), "xyz!", `cut at ${cut}`)
        }
      })
    )
  )
})
