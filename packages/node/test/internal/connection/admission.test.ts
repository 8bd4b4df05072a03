/**
 * A connection between the end of its handshake and the decision about its peer, on a binding that does what a test says.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import { ApplicationClosed } from "@qp2p/core/Close"
import { PeerMismatch, PeerRefused, TransportError } from "@qp2p/core/ConnectionError"
import { fromPublicKey, type PeerId } from "@qp2p/core/PeerId"
import type { Peer } from "@qp2p/core/PeerPolicy"
import * as Effect from "effect/Effect"
import { maxSendPayload } from "../../../src/internal/binding/nativeConfig.ts"
import { smallFragmentCost } from "../../../src/internal/tunables/frames.ts"
import { maxBytesBeforeAdmission, maxMemoryBeforeAdmission } from "../../../src/internal/tunables/handshakes.ts"
import { certificateOf, publicKeyOf } from "../../support/certificates.ts"
import { bind, initial, type Native, peerId, type Setup, shortHeader, turns } from "../../support/fakeBinding.ts"
import { decrypted } from "../../support/frames.ts"
import { address } from "../../support/quicSockets.ts"

const another = fromPublicKey(publicKeyOf(9))
const peer = address("127.0.0.1:2")

/** The packet with which a dialler's certificate would leave. */
const finished = Uint8Array.of(0xee, 1)
const isFinished = (packet: Uint8Array) => packet[0] === 0xee
const isWithdrawal = (packet: Uint8Array) => packet.length === 1_200

/** A dial, or an inbound connection, whose handshake is complete with the next packet. */
const begun = Effect.fnUntraced(function* (side: "dialled" | "accepted", setup: Setup = {}, expected?: PeerId) {
  const socket = bind(setup)
  const dial = side === "dialled" ? socket.dial("127.0.0.1:2", expected) : undefined
  if (dial === undefined) socket.receive(initial())
  yield* turns
  const native = socket.natives[0]!
  native.received = 1
  const packet = side === "dialled" ? shortHeader(socket.ids[0]!) : initial()
  const complete = () => {
    native.established = true
    native.outgoing.push(finished)
    socket.receive(packet.slice())
  }
  return { ...socket, native, dial, complete, packet: () => socket.receive(packet.slice()) }
})

/** A policy that keeps what it is asked. */
const policy = () => {
  const asked: Array<Peer> = []
  const decisions: Array<(isAdmitted: boolean) => void> = []
  return {
    asked,
    decisions,
    onHandshake: (one: Peer, decide: (isAdmitted: boolean) => void) => {
      asked.push(one)
      decisions.push(decide)
    }
  }
}

describe("the packets that complete a handshake", () => {
  /** Has them come when all connections of the turn have read, and none has written. */
  const between = (complete: () => void, native: Native) => {
    const stats = native.retiredScidNext.bind(native)
    native.retiredScidNext = () => {
      native.retiredScidNext = stats
      queueMicrotask(complete)
      return null
    }
  }

  it.live("release nothing to the wrong peer, also when they come between the two parts of a turn", () =>
    Effect.gen(function* () {
      const { complete, dial, native, packet, sent } = yield* begun("dialled", {}, another)
      between(complete, native)
      packet()
      yield* turns
      assert.isTrue(native.established)
      assert.deepStrictEqual(dial!.failed, [new PeerMismatch({ expected: another, actual: peerId, address: peer })])
      assert.deepStrictEqual(sent.filter(isFinished), [])
      assert.strictEqual(sent.filter(isWithdrawal).length, 1)
      assert.deepStrictEqual(native.closes, [])
    })
  )

  it.live("acknowledge nothing before the policy is asked, also when they come between the two parts of a turn", () =>
    Effect.gen(function* () {
      const { asked, decisions, onHandshake } = policy()
      const { accepted, complete, native, packet, sent } = yield* begun("accepted", { onHandshake })
      between(complete, native)
      packet()
      yield* turns
      assert.deepStrictEqual(asked, [{ peerId, address: peer, direction: "Inbound" }])
      assert.deepStrictEqual([sent, accepted], [[], []])
      decisions[0]!(true)
      yield* turns
      assert.deepStrictEqual([sent, accepted.length], [[finished], 1])
    })
  )
})

describe("a dial whose peer is not admitted yet", () => {
  const ends: Record<string, (it: Effect.Success<ReturnType<typeof begun>>) => void> = {
    "is cancelled": ({ dial }) => dial!.cancel(),
    "loses its socket": ({ socket }) => socket.close(),
    "has its socket shut down": ({ socket }) => void socket.beginClose(),
    "has no time left": ({ socket }) => {
      for (let i = 0; i < 3; i++) socket.sweep(10_000)
    }
  }
  for (const [how, end] of Object.entries(ends)) {
    it.live(`withdraws by an Initial packet when it ${how}`, () =>
      Effect.gen(function* () {
        const { asked, onHandshake } = policy()
        const it = yield* begun("dialled", { onHandshake })
        it.complete()
        yield* turns
        assert.deepStrictEqual(asked, [{ peerId, address: peer, direction: "Outbound" }])
        assert.deepStrictEqual(it.sent, [])
        end(it)
        yield* turns
        assert.deepStrictEqual(it.sent.filter(isFinished), [])
        assert.deepStrictEqual(it.sent.filter(isWithdrawal).length, 1)
        assert.deepStrictEqual(it.dial!.connected, [])
        assert.deepStrictEqual(
          it.dial!.failed.map(({ _tag }) => _tag),
          { "is cancelled": [], "has no time left": ["PeerRefused"] }[how] ?? ["EndpointStopped"]
        )
        assert.isTrue(it.socket.isQuiet)
      })
    )
  }

  it.live("withdraws also when it is cancelled by what is asked, whatever the answer is then", () =>
    Effect.gen(function* () {
      let cancel = () => {}
      const { complete, dial, sent } = yield* begun("dialled", {
        onHandshake: (_, decide) => {
          cancel()
          decide(true)
        }
      })
      cancel = dial!.cancel
      complete()
      yield* turns
      assert.deepStrictEqual([sent.length, sent.filter(isWithdrawal).length], [1, 1])
      assert.deepStrictEqual([dial!.connected, dial!.failed], [[], []])
    })
  )

  it.live("withdraws so, too, in the turn that completes its handshake", () =>
    Effect.gen(function* () {
      const { complete, dial, sent, socket } = yield* begun("dialled", {}, another)
      complete()
      dial!.cancel()
      yield* turns
      assert.deepStrictEqual([sent.length, sent.filter(isWithdrawal).length], [1, 1])
      assert.deepStrictEqual([dial!.connected, dial!.failed], [[], []])
      assert.isTrue(socket.isQuiet)
    })
  )

  it.live("repeats its withdrawal for late packets, and never lets the binding send", () =>
    Effect.gen(function* () {
      const { complete, dial, native, packet, sent } = yield* begun("dialled", {
        onHandshake: (_, decide) => decide(false)
      })
      complete()
      yield* turns
      assert.deepStrictEqual(dial!.failed, [new PeerRefused({ peerId, address: peer, by: "Local" })])
      for (let i = 0; i < 8; i++) packet()
      yield* turns
      assert.deepStrictEqual(
        sent.map((one) => Buffer.compare(one, sent[0]!)),
        [0, 0, 0, 0, 0]
      )
      assert.isTrue(isWithdrawal(sent[0]!))
      assert.deepStrictEqual([native.sent, native.closes], [0, []])
    })
  )

  it.live("fails with the alert of TLS when the certificate names nobody", () =>
    Effect.gen(function* () {
      const { complete, dial, native, sent } = yield* begun("dialled")
      const one = certificateOf(publicKeyOf(1))
      native.certificates = [one, one]
      complete()
      yield* turns
      const detail = "there are 2 certificates instead of one"
      assert.deepStrictEqual(dial!.failed, [new TransportError({ peer, code: 0x12a, detail })])
      assert.deepStrictEqual([sent.length, sent.filter(isWithdrawal).length, native.closes], [1, 1, []])
    })
  )
})

describe("a connection whose peer is not admitted yet", () => {
  it.live("takes no more from the peer than a first flight", () =>
    Effect.gen(function* () {
      for (const side of ["dialled", "accepted"] as const) {
        const { decisions, onHandshake } = policy()
        const { complete, ids, native, receive, sent } = yield* begun(side, { onHandshake })
        complete()
        yield* turns
        const before = native.taken
        for (let i = 0; i < 200; i++) receive(shortHeader(ids[0]!, 1_000))
        yield* turns
        const most = Math.floor(maxBytesBeforeAdmission / 1_000)
        assert.strictEqual(native.taken - before, most)
        assert.deepStrictEqual(sent, [])
        decisions[0]!(true)
        yield* turns
        receive(shortHeader(ids[0]!, 1_000))
        assert.strictEqual(native.taken - before, most + 1)
      }
    })
  )

  it.live("takes no large datagrams, and no more pieces of streams than have a part of the memory", () =>
    Effect.gen(function* () {
      const { decisions, onHandshake } = policy()
      const { complete, ids, native, receive } = yield* begun("accepted", { onHandshake })
      complete()
      yield* turns
      const before = native.taken
      receive(shortHeader(ids[0]!, maxSendPayload + 1))
      assert.strictEqual(native.taken, before)
      const pieces = maxMemoryBeforeAdmission / smallFragmentCost
      /** A piece of stream 2, as the binding leaves it. */
      const piece = (i: number) => {
        const packet = decrypted([0x0e, 2, 0x40 | (i >> 8), i & 0xff, 1, 7], { number: i % 256 })
        packet.set(ids[0]!, 1)
        return packet
      }
      for (let i = 0; i < 2 * pieces; i++) receive(piece(i))
      // The stream counts, too.
      assert.strictEqual(native.taken - before, pieces)
      yield* turns
      decisions[0]!(true)
      yield* turns
      receive(piece(2 * pieces))
      assert.strictEqual(native.taken - before, pieces + 1)
    })
  )

  it.live("is read once it is admitted, though nothing more comes", () =>
    Effect.gen(function* () {
      const { decisions, onHandshake } = policy()
      const { accepted, complete, native } = yield* begun("accepted", { onHandshake })
      native.streams.set(2, 5)
      complete()
      yield* turns
      assert.deepStrictEqual([native.streams.size, accepted], [1, []])
      decisions[0]!(true)
      yield* turns
      assert.deepStrictEqual(
        accepted[0]!.streams.map(({ length }) => length),
        [5]
      )
    })
  )

  it.live("closes with code 4 when it is refused, without what the binding has ready", () =>
    Effect.gen(function* () {
      const { decisions, onHandshake } = policy()
      const { accepted, complete, native, sent, socket } = yield* begun("accepted", { onHandshake })
      complete()
      native.acknowledgements.push(Uint8Array.of(0xaa))
      yield* turns
      native.outgoing.length = 0
      decisions[0]!(false)
      decisions[0]!(true)
      yield* turns
      assert.deepStrictEqual(native.closes, [[true, 4, ""]])
      assert.deepStrictEqual([sent, accepted], [[Uint8Array.of(0xcc)], []])
      assert.isTrue(socket.isQuiet)
    })
  )

  it.live("is not surfaced when its peer closes before the decision, whatever that is", () =>
    Effect.gen(function* () {
      const { decisions, onHandshake } = policy()
      const { accepted, complete, native, packet, sent, socket } = yield* begun("accepted", { onHandshake })
      complete()
      yield* turns
      native.over = true
      Object.assign(native, { peerError: () => ({ isApp: true, errorCode: 0, reason: new Uint8Array(0) }) })
      packet()
      yield* turns
      assert.isTrue(socket.isQuiet)
      decisions[0]!(true)
      yield* turns
      assert.deepStrictEqual([accepted, sent], [[], []])
    })
  )

  for (const [side, end] of [
    ["accepted", "its peer closes"],
    ["dialled", "its peer closes"],
    ["accepted", "its peer closes and the policy throws"],
    ["accepted", "it is refused"]
  ] as const) {
    it.live(`ends an open question, and no other, when ${end} (${side})`, () =>
      Effect.gen(function* () {
        let decide: ((isAdmitted: boolean) => void) | undefined
        let cancelled = 0
        const { complete, native, packet, socket } = yield* begun(side, {
          onHandshake: (_, decided) => {
            decide = decided
            return () => {
              cancelled += 1
              if (end === "its peer closes and the policy throws") throw new Error("a defect")
            }
          }
        })
        complete()
        yield* turns
        assert.strictEqual(cancelled, 0)
        if (end === "it is refused") decide!(false)
        else {
          native.over = true
          Object.assign(native, { peerError: () => ({ isApp: true, errorCode: 0, reason: new Uint8Array(0) }) })
          packet()
        }
        yield* turns
        assert.isTrue(socket.isQuiet)
        assert.strictEqual(cancelled, end === "it is refused" ? 0 : 1)
      })
    )
  }

  it.live("costs no turns while it waits", () =>
    Effect.gen(function* () {
      const { onHandshake } = policy()
      const { complete, native } = yield* begun("accepted", { onHandshake })
      complete()
      yield* turns
      let looks = 0
      native.timeout = () => {
        looks += 1
        return null
      }
      for (let i = 0; i < 10; i++) yield* turns
      assert.strictEqual(looks, 0)
    })
  )
})

describe("the acceptance of a dial", () => {
  const done = [0x1e, 0, 0]

  /** A packet with these frames. */
  const withFrames = (id: Uint8Array, frames: ReadonlyArray<number>): Uint8Array => {
    const packet = new Uint8Array(1 + id.length + 1 + frames.length + 16)
    packet[0] = 0x40
    packet.set(id, 1)
    packet.set(frames, id.length + 2)
    return packet
  }

  const dialled = Effect.fnUntraced(function* () {
    const it = yield* begun("dialled")
    it.complete()
    yield* turns
    const near = it.dial!.connected[0]!
    assert.isFalse(near.connection.isAccepted)
    return { ...it, near, id: it.ids[0]! }
  })

  it.live("is reported once, in a turn, when the peer has confirmed the handshake", () =>
    Effect.gen(function* () {
      const { id, native, near, receive } = yield* dialled()
      native.authenticates = true
      receive(withFrames(id, [0x01]))
      yield* turns
      assert.deepStrictEqual(near.acceptances, [])
      receive(withFrames(id, done))
      assert.isFalse(near.connection.isAccepted)
      yield* turns
      receive(withFrames(id, done))
      yield* turns
      assert.deepStrictEqual([near.acceptances, near.connection.isAccepted], [[true], true])
    })
  )

  it.live("is not what a packet says that the binding has not authenticated", () =>
    Effect.gen(function* () {
      const { id, native, near, receive } = yield* dialled()
      // The binding makes zeros of such a packet.
      Object.assign(native, { recv: (packet: Uint8Array) => void packet.fill(0, 1 + id.length) })
      receive(withFrames(id, done))
      yield* turns
      assert.deepStrictEqual([near.acceptances, near.connection.isAccepted], [[], false])
    })
  )

  it.live("comes before what has arrived with it, and before the end", () =>
    Effect.gen(function* () {
      const { id, native, near, receive } = yield* dialled()
      const log: Array<string> = []
      near.heed = () => void log.push(`a stream, ${near.acceptances.length} acceptance`)
      native.authenticates = true
      native.streams.set(3, 5)
      receive(withFrames(id, done))
      native.over = true
      Object.assign(native, { peerError: () => ({ isApp: true, errorCode: 4, reason: new Uint8Array(0) }) })
      yield* turns
      assert.deepStrictEqual(log, ["a stream, 1 acceptance"])
      assert.deepStrictEqual(near.closes, [new ApplicationClosed({ code: 4, detail: "" })])
    })
  )
})
