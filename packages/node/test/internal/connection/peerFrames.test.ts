import { assert, describe, it } from "@effect/vitest"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { INTERNAL_ERROR, PROTOCOL_VIOLATION } from "../../../src/internal/binding/errorCodes.ts"
import { PeerFrames } from "../../../src/internal/connection/peerFrames.ts"
import * as tunables from "../../../src/internal/tunables/frames.ts"
import { decrypted, decryptedLong } from "../../support/frames.ts"

const setup = (options: { readonly dialled?: boolean; readonly isOver?: boolean; readonly sent?: number } = {}) => {
  /** What is asked about probes, and whether any are under way. */
  const proof = { isPending: false, asked: [] as Array<readonly [number, number]>, isTrue: true }
  const acks: Array<readonly [number, number]> = []
  const stops: Array<readonly [number, number]> = []
  const finished = new Set<number>()
  const shutDown: Array<number> = []
  const ids: Array<ReadonlyArray<number>> = []
  const datagrams: Array<number> = []
  let withoutData = 0
  /** How many packets the binding has authenticated: some of the handshake to begin with. */
  let authenticated = 3
  const frames = new PeerFrames({
    native: {
      isDraining: () => options.isOver === true,
      isClosed: () => false,
      stats: () => ({ recv: authenticated }),
      localError: () => null,
      streamFinished: (id: number) => finished.has(id),
      streamShutdown: (id: number) => {
        if (finished.has(id)) throw new Error(`InvalidStreamState(${id})`)
        shutDown.push(id)
      }
    } as unknown as NativeConnection,
    dialled: options.dialled === true,
    acknowledged: {
      next: options.sent ?? 10,
      acknowledged: (smallest, largest) => acks.push([smallest, largest])
    },
    proof: {
      get isPending() {
        return proof.isPending
      },
      acknowledged: (smallest, largest) => {
        proof.asked.push([smallest, largest])
        return proof.isTrue
      }
    },
    streams: { outgoing: { stopCodes: { add: (id, code) => stops.push([id, code]) } } },
    budget: { withoutData: (bytes) => (withoutData += bytes) },
    datagrams: { take: (frames) => datagrams.push(frames) },
    onHandshakeConfirmed: () => {},
    onNewConnectionId: (packet, at, length) => ids.push([...packet.subarray(at, at + length + 16)])
  })
  let number = 0
  const take = (bytes: ReadonlyArray<number>, times = 1) => {
    for (let i = 0; i < times; i++) {
      authenticated += 1
      frames.take(decrypted(bytes, { number: number % 2 ** 32, numberLength: 4 }))
      number += 1
    }
  }
  /** The same packet again. */
  const repeat = (bytes: ReadonlyArray<number>) =>
    frames.take(decrypted(bytes, { number: number - 1, numberLength: 4 }))
  const violation = () => frames.violation
  return {
    authenticate: () => (authenticated += 1),
    violation,
    acks,
    ids,
    finished,
    frames,
    proof,
    repeat,
    shutDown,
    stops,
    take,
    datagrams,
    withoutData: () => withoutData
  }
}

const crypto = [0x06, 5, 1, 9]
/** One byte at an offset of two bytes. */
const piece = (id: number, offset: number) => [0x0e, id, 0x40 | (offset >> 8), offset & 0xff, 1, 7]

describe("a peer's packet", () => {
  it("hands on what it acknowledges and stops, once", () => {
    const { acks, repeat, stops, take } = setup()
    take([0x05, 6, 42, 0x02, 9, 0, 0, 2])
    repeat([0x05, 6, 42, 0x02, 9, 0, 0, 2])
    assert.deepStrictEqual(acks, [[7, 9]])
    assert.deepStrictEqual(stops, [[6, 42]])
  })

  it("is a violation when it acknowledges what was not sent, and that is acknowledged to nobody", () => {
    const { acks, take, violation } = setup({ sent: 10 })
    take([0x02, 9, 0, 0, 2])
    assert.isUndefined(violation())
    take([0x02, 10, 0, 0, 2])
    assert.deepStrictEqual(violation(), {
      code: PROTOCOL_VIOLATION,
      detail: "an acknowledgement of a packet that was not sent"
    })
    assert.deepStrictEqual(acks, [[7, 9]])
  })

  it("is asked about probes range by range, as long as some are under way, and is a violation if one was withheld", () => {
    const { proof, take, violation } = setup({ sent: 60 })
    const ranges = [0x02, 50, 0, 2, 3, 1, 4, 0, 0]
    take(ranges)
    assert.deepStrictEqual(proof.asked, [])
    proof.isPending = true
    take(ranges)
    assert.deepStrictEqual(proof.asked, [
      [40, 44],
      [38, 38],
      [47, 50]
    ])
    assert.isUndefined(violation())
    proof.isTrue = false
    take(ranges)
    assert.strictEqual(violation()?.code, PROTOCOL_VIOLATION)
  })

  it("counts as data when there is a STREAM frame in it, and else as none", () => {
    const { take, withoutData } = setup()
    take([0x02, 9, 0, 0, 2, ...piece(2, 1)])
    assert.strictEqual(withoutData(), 0)
    take([0x02, 9, 0, 0, 2])
    assert.strictEqual(withoutData(), 25 + 5 + 16)
  })

  it("has its datagrams taken at once, and those without a byte are no data", () => {
    const { datagrams, frames, take, withoutData } = setup()
    take([0x31, 2, 0, 7, 0x31, 0, 0x30, 0, 1, 2])
    assert.deepStrictEqual([datagrams, withoutData()], [[3], 0])
    take(piece(2, 1))
    assert.deepStrictEqual(datagrams, [3])
    take([0x31, 0, 0x31, 0])
    assert.deepStrictEqual([datagrams, withoutData()], [[3, 2], 25 + 4 + 16])
    take([0x31, 9, 0])
    assert.deepStrictEqual(datagrams, [3, 2])
    assert.isUndefined(frames.violation)
  })

  it("is a violation with a CRYPTO frame of a client, and none with a server's", () => {
    const accepted = setup()
    accepted.take(crypto)
    assert.deepStrictEqual(accepted.violation(), {
      code: PROTOCOL_VIOLATION,
      detail: "CRYPTO after the handshake"
    })
    const dialled = setup({ dialled: true })
    dialled.take(crypto)
    assert.strictEqual(dialled.violation(), undefined)
    dialled.take(crypto, tunables.maxControlFrames)
    assert.strictEqual(dialled.violation()?.code, INTERNAL_ERROR)
  })

  it("is none once the connection is over: the binding does not decrypt it then", () => {
    const { take, violation } = setup({ isOver: true })
    take(crypto)
    assert.strictEqual(violation(), undefined)
  })

  it("is a violation with more frames than an honest peer has reason for", () => {
    const pings = (count: number) => Array.from({ length: count }, () => 1)
    const honest = setup()
    // A thousand streams stopped in one packet, of which most have ids of two bytes.
    honest.take(Array.from({ length: 1_000 }, () => [0x05, 0x41, 2, 7]).flat())
    honest.take(pings(tunables.maxSmallFrames))
    honest.take([0, ...Array.from({ length: 1_000 }, () => 0), 1])
    assert.strictEqual(honest.violation(), undefined)
    honest.take(pings(1_000))
    assert.strictEqual(honest.violation()?.detail, "too many frames in a packet")
  })
})

describe("a frame without data", () => {
  for (const [name, bytes] of [
    ["STREAM", [0x0e, 4, 0, 0]],
    ["STREAM, with the end behind a gap", [0x0f, 4, 9, 0]],
    ["MAX_STREAM_DATA", [0x11, 4, 9]],
    ["STOP_SENDING", [0x05, 4, 9]]
  ] as const) {
    it(`such as ${name} opens a stream, which takes memory until it has ended`, () => {
      const { finished, frames, take } = setup()
      take(bytes, 2)
      assert.strictEqual(frames.held.streamMemory, tunables.streamCost)
      frames.tick(1_000)
      assert.strictEqual(frames.held.streamMemory, tunables.streamCost)
      finished.add(4)
      frames.tick(1_000)
      assert.strictEqual(frames.held.streamMemory, 0)
    })
  }

  it("opens none of this side's, and none where the peer cannot", () => {
    const { frames, take } = setup()
    take([0x11, 1, 9, 0x11, 3, 9, 0x05, 3, 9])
    assert.strictEqual(frames.held.watched, 0)
  })

  it("leaves no more than a bounded number of records of streams that have ended", () => {
    const { finished, frames, take } = setup()
    for (let i = 0; i <= tunables.maxWatchedStreams; i++) {
      finished.add(4 * i)
      take([0x11, 0x80 | ((4 * i) >> 24), (4 * i) >> 16, ((4 * i) >> 8) & 0xff, (4 * i) & 0xff, 9])
    }
    assert.isAtMost(frames.held.watched, 1)
  })
})

describe("frames about connection ids, paths and tokens", () => {
  const rows: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
    ["NEW_TOKEN", [0x07, 1, 9]],
    ["NEW_CONNECTION_ID", [0x18, 1, 0, 1, ...Array.from({ length: 17 }, () => 3)]],
    ["RETIRE_CONNECTION_ID", [0x19, 1]],
    ["PATH_CHALLENGE", [0x1a, 1, 2, 3, 4, 5, 6, 7, 8]],
    ["PATH_RESPONSE", [0x1b, 1, 2, 3, 4, 5, 6, 7, 8]]
  ]
  for (const [name, bytes] of rows) {
    it(`such as ${name} may come in a small number at once, and slowly without end`, () => {
      const { frames, take, violation } = setup()
      take(bytes, tunables.maxControlFrames)
      for (let i = 0; i < 100; i++) {
        frames.tick(10 * tunables.controlInterval)
        take(bytes, 10)
      }
      assert.strictEqual(violation(), undefined)
      take(bytes)
      assert.strictEqual(violation()?.detail, "too many frames about connection ids and paths")
    })
  }
})

describe("a connection id of the peer", () => {
  it("is handed on with its token, once", () => {
    const { ids, repeat, take } = setup()
    const id = [4, 5, 6]
    const token = Array.from({ length: 16 }, (_, i) => 0xa0 + i)
    const packet = [0x01, 0x18, 7, 6, id.length, ...id, ...token, 0x01]
    take(packet)
    repeat(packet)
    assert.deepStrictEqual(ids, [[...id, ...token]])
  })
})

describe("pieces of streams", () => {
  /** Pieces of one byte, `count` of them, in packets of one. */
  const pieces = (it: ReturnType<typeof setup>, count: number) => {
    for (let i = 0; i < count; i++) it.take(piece(2, i % 8_000))
  }

  it("are a violation when there are too many, and not before, and each packet counts once", () => {
    const it = setup()
    pieces(it, tunables.maxFragments)
    assert.strictEqual(it.violation(), undefined)
    it.repeat(piece(2, 1))
    assert.strictEqual(it.violation(), undefined)
    it.take(piece(2, 1))
    assert.strictEqual(it.violation()?.detail, "too many pieces of streams")
  })

  it("count again after a packet of padding, whose number is not known here, if the binding takes them", () => {
    for (const dialled of [false, true]) {
      const it = setup({ dialled })
      it.take(piece(2, 1))
      it.repeat(piece(2, 1))
      assert.strictEqual(it.frames.held.fragments, 1)
      it.take([0, 0, 0, 0])
      const again = () => it.frames.take(decrypted(piece(2, 1), { number: 0, numberLength: 4 }))
      again()
      assert.strictEqual(it.frames.held.fragments, 1)
      // Packets of the handshake count in the binding, and have other numbers.
      if (dialled) {
        it.authenticate()
        it.frames.longHeaderTaken()
      }
      again()
      assert.strictEqual(it.frames.held.fragments, 1)
      // The binding takes the number for another one, which it derives from that of the packet of padding.
      it.authenticate()
      again()
      assert.strictEqual(it.frames.held.fragments, 2)
      again()
      assert.strictEqual(it.frames.held.fragments, 3)
    }
  })

  it("count each time they come after a second packet of padding: then its number is missing for certain", () => {
    const it = setup()
    const again = () => it.frames.take(decrypted(piece(2, 1), { number: 0, numberLength: 4 }))
    it.take(piece(2, 1))
    it.take([0, 0, 0, 0])
    again()
    assert.strictEqual(it.frames.held.fragments, 1)
    it.take([0, 0, 0, 0])
    again()
    assert.strictEqual(it.frames.held.fragments, 2)
  })

  it("count once also after packets that the binding has not authenticated: zeros, and what is too short", () => {
    const it = setup()
    it.take(piece(2, 1))
    const zeros = decrypted([0, 0, 0, 0], { number: 0x70_00_00_00, numberLength: 4 })
    for (let length = 1; length < 41; length++) it.frames.take(new Uint8Array(length).fill(0x47))
    // Numbers of a byte, far ahead of those that have come.
    for (let number = 100; number < 1_000; number += 100) it.frames.take(decrypted([1], { number }).subarray(0, 39))
    it.frames.take(zeros)
    it.repeat(piece(2, 1))
    assert.strictEqual(it.frames.held.fragments, 1)
    it.take(piece(2, 3))
    it.repeat(piece(2, 3))
    assert.strictEqual(it.frames.held.fragments, 2)
  })

  it("of streams that have ended meanwhile do not count", () => {
    const it = setup()
    pieces(it, tunables.maxFragments)
    it.finished.add(2)
    it.take(piece(6, 1))
    assert.strictEqual(it.violation(), undefined)
    assert.isAtMost(it.frames.held.fragments, 1)
  })

  it("are dropped by the binding when their connection closes, if they are many", () => {
    const few = setup()
    pieces(few, tunables.minDiscarded)
    few.frames.discard()
    assert.deepStrictEqual(few.shutDown, [])
    const many = setup()
    pieces(many, tunables.minDiscarded)
    many.take(piece(6, 1))
    many.take(piece(10, 1))
    many.finished.add(6)
    many.frames.discard()
    assert.deepStrictEqual(many.shutDown, [2, 10])
    assert.strictEqual(many.frames.held.memory, 0)
  })
})

describe("a handshake", () => {
  const pieces = (count: number) => Array.from({ length: count }, (_, i) => [0x06, i % 64, 1, 9]).flat()

  it("is in pieces with more CRYPTO frames than a number, in packets of both kinds together, and not before", () => {
    const { frames } = setup()
    for (const numberLength of [1, 2, 3, 4]) {
      frames.takeHandshake(decryptedLong("Initial", [...pieces(20), 0, 0, 0, 1], { numberLength, token: [5, 6] }))
    }
    const rest = tunables.maxHandshakePieces - 4 * 20
    frames.takeHandshake(decryptedLong("Initial", pieces(rest - 10)))
    frames.takeHandshake(decryptedLong("Handshake", pieces(10)))
    assert.isFalse(frames.isHandshakeInPieces)
    frames.takeHandshake(decryptedLong("Initial", [1]))
    frames.takeHandshake(decryptedLong("Handshake", pieces(1)))
    assert.isTrue(frames.isHandshakeInPieces)
  })

  it("is not in pieces for packets that are no part of it, or cut, and nothing throws", () => {
    const { frames } = setup()
    const whole = decryptedLong("Initial", pieces(200))
    // A Retry, a packet of another version, one with a short header, and one that is longer than its datagram.
    frames.takeHandshake(Uint8Array.from([0xf0, ...whole.subarray(1)]))
    frames.takeHandshake(Uint8Array.from([...whole.subarray(0, 4), 2, ...whole.subarray(5)]))
    frames.takeHandshake(decrypted(pieces(200)))
    for (let length = 0; length < whole.length; length++) frames.takeHandshake(whole.subarray(0, length))
    assert.isFalse(frames.isHandshakeInPieces)
  })
})
