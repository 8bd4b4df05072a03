/**
 * Datagrams below the endpoint: those of peers that make their packets by hand, and those that come before admission.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { maxUnread, unexplainedBytes } from "../src/internal/tunables/memory.ts"
import { forgingPeer } from "./support/forgingPeer.ts"
import { bind, connected, settled, text, until } from "./support/quicSockets.ts"

/** A server with a forging peer. Its connection is the first. */
const attacked = Effect.gen(function* () {
  const server = yield* bind()
  const forger = yield* forgingPeer(server.socket.address.port)
  yield* until("the server has the connection", () => server.accepted.length === 1)
  const far = server.accepted[0]!
  const forge = (...frames: ReadonlyArray<number>) => forger.send(forger.seal(Uint8Array.from(frames)))
  return { server, ...forger, far, forge }
})

const repeated = (count: number, ...frame: ReadonlyArray<number>) => Array.from({ length: count }, () => frame).flat()

describe("datagrams of a peer that makes its packets by hand", () => {
  it.live("arrive in every form of their frame, several from a packet, in their order", () =>
    Effect.gen(function* () {
      const { far, forge } = yield* attacked
      forge(0x31, 2, 0, 1, 0x31, 0, 0x40, 0x31, 1, 2, 0x31, 0x40, 1, 3, 0x80, 0, 0, 0x30, 4, 5)
      yield* until("they have come", () => far.datagrams.length === 5)
      assert.deepStrictEqual(
        far.datagrams.map((datagram) => [...datagram]),
        [[0, 1], [], [2], [3], [4, 5]]
      )
    })
  )

  it.live("arrive once when their packet comes very often", () =>
    Effect.gen(function* () {
      const { far, forge, peer, seal, send, server } = yield* attacked
      peer.deaf = true
      const packet = seal(Uint8Array.of(0x31, 1, 7))
      for (let i = 0; i < 50; i++) send(packet)
      forge(0x31, 1, 8)
      yield* settled(server)
      yield* until("the last has come", () => far.datagrams.length >= 2)
      assert.deepStrictEqual(
        far.datagrams.map((datagram) => [...datagram]),
        [[7], [8]]
      )
    })
  )

  it.live("end the connection when they are cut, or more than any peer has reason to send in a packet", () =>
    Effect.gen(function* () {
      for (const frames of [[0x31, 9, 1], repeated(500, 0x31, 0)]) {
        const { far, forge } = yield* attacked
        forge(...frames)
        yield* until("the close", () => far.closes.length === 1)
        assert.strictEqual(far.closes[0]!._tag, "TransportClosed")
      }
    })
  )

  it.live(
    "without a byte count as no data: a peer that sends nothing else loses its connection",
    () =>
      Effect.gen(function* () {
        const { far, peer, seal, send } = yield* attacked
        peer.deaf = true
        const empty = Uint8Array.from([...repeated(300, 0x31, 0), ...repeated(700, 0)])
        const most = unexplainedBytes + maxUnread
        for (let sent = 0; sent < 2 * most && far.closes.length === 0;) {
          for (let i = 0; i < 50; i++, sent += empty.length) send(seal(empty))
          yield* Effect.sleep("1 millis")
        }
        assert.strictEqual(far.closes[0]?._tag, "TransportClosed")
        assert.strictEqual((far.closes[0] as { readonly detail?: string }).detail, "too much that is not data")
      }),
    60_000
  )
})

describe("datagrams that come before the peer is admitted", () => {
  it.live("wait for the decision, and are dropped with a refusal", () =>
    Effect.gen(function* () {
      for (const isAdmitted of [true, false]) {
        let decide: ((isAdmitted: boolean) => void) | undefined
        const server = yield* bind({ onHandshake: (_, answer) => void (decide = answer) })
        const client = yield* bind()
        const near = yield* connected(client.dial(server.socket.address))
        yield* until("the server is asked", () => decide !== undefined)
        for (let i = 0; i < 5; i++) assert.isTrue(near.connection.sendDatagram!(Uint8Array.of(i)))
        yield* Effect.sleep("100 millis")
        assert.deepStrictEqual(server.accepted, [])
        decide!(isAdmitted)
        if (isAdmitted) {
          yield* until("they have come", () => server.accepted[0]?.datagrams.length === 5)
        } else {
          yield* until("the dialler is told", () => near.closes.length === 1)
          assert.deepStrictEqual(server.accepted, [])
        }
      }
    })
  )
})

describe("a peer that floods with datagrams", () => {
  it.live("holds up no message of another peer, and none of its own", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const flooder = yield* connected((yield* bind()).dial(server.socket.address))
      const honest = yield* connected((yield* bind()).dial(server.socket.address))
      const datagram = new Uint8Array(1_000)
      let isOver = false
      const flooding = yield* Effect.forkChild(
        Effect.gen(function* () {
          while (!isOver) {
            while (flooder.connection.sendDatagram!(datagram));
            yield* Effect.sleep("1 millis")
          }
        })
      )
      for (let i = 0; i < 50; i++) {
        for (const peer of [honest, flooder]) {
          const { results } = peer.send(text(`message ${i}`))
          yield* until("it is confirmed", () => results.length > 0)
          assert.deepStrictEqual(results, ["done"])
        }
      }
      isOver = true
      yield* Fiber.join(flooding)
      const { datagramsDropped = 0 } = server.accepted[0]!.connection.stats()
      assert.isAbove(server.accepted[0]!.datagrams.length + datagramsDropped, 1_000)
    })
  )
})
