// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { bind, initial, shortHeader, turns } from "../../support/fakeBinding.ts"

/** A packet of the handshake for the connection with this id. */
const longHeader = (id: Uint8Array): Uint8Array => Uint8Array.of(0xe0, 0, 0, 0, 1, id.length, ...id, 0, 0)

describe("the end of a handshake", () => {
  /** How many packets there were still to be sent when the peer was asked for an acknowledgement, each time. */
  const asked = Effect.fnUntraced(function* (side: "dialled" | "accepted", issueError?: Error) {
    const { dial, ids, natives, receive } = bind()
    if (side === "dialled") dial()
    else receive(initial())
    const native = natives[0]!
    yield* turns
    const pings: Array<number> = []
    Object.assign(native, {
      established: true,
      issueError,
      sendAckEliciting: () => void pings.push(native.outgoing.length)
    })
    native.outgoing.push(Uint8Array.of(0xe0))
    receive(side === "dialled" ? shortHeader(ids[0]!) : initial())
    yield* turns
    receive(side === "dialled" ? shortHeader(ids[0]!) : initial())
    yield* turns
    return pings
  })

  it.live(
    "asks for an acknowledgement by what issues ids, or else by a PING of the dialler's behind its last packet",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* asked("dialled"), [])
        assert.deepStrictEqual(yield* asked("dialled", new Error("IdLimit")), [0])
        // The acceptor has HANDSHAKE_DONE to send.
        assert.deepStrictEqual(yield* asked("accepted"), [])
        assert.deepStrictEqual(yield* asked("accepted", new Error("IdLimit")), [])
      })
  )

  it.live("keeps datagrams at 1,200 bytes until its last packets are out, and the dialler until it is answered", () =>
    Effect.gen(function* () {
      const { dial, ids, natives, receive } = bind({ maxPayload: 16_383 })
      dial()
      receive(initial())
      const rooms = natives.map((native) => {
        const room: Array<number> = []
        const send = native.send.bind(native)
        native.send = (buffer) => {
          room.push(buffer.length)
          return send(buffer)
        }
        return room
      })
      /** How large a datagram each of them might have made in this turn. */
      const turn = Effect.fnUntraced(function* (...packets: ReadonlyArray<Uint8Array>) {
        for (const packet of packets) receive(packet)
        yield* turns
        return rooms.map((room) => Math.max(...room.splice(0)))
      })
      const [dialler, acceptor] = ids as [Uint8Array, Uint8Array]
      const handshake = [longHeader(dialler), longHeader(acceptor)]
      assert.deepStrictEqual(yield* turn(...handshake), [1_200, 1_200])
      for (const native of natives) native.established = true
      assert.deepStrictEqual(yield* turn(...handshake), [1_200, 1_200])
      assert.deepStrictEqual(yield* turn(...handshake), [1_200, 16_383])
      // Any host can send a packet with an unknown id in the peer's name: it is no answer.
      assert.deepStrictEqual(yield* turn(shortHeader(new Uint8Array(20).fill(7)), ...handshake), [1_200, 16_383])
      assert.deepStrictEqual(yield* turn(shortHeader(dialler), shortHeader(acceptor)), [16_383, 16_383])
    })
  )
})
