import { assert, describe, it } from "@effect/vitest"
import { StopCodes } from "../../../src/internal/streams/stopCodes.ts"
import { decrypted as packet, stop as readStops } from "../../support/frames.ts"
import { maxStopCodes } from "../../../src/internal/tunables/streams.ts"

/** RFC 9000, section 19.5: the stream, and the code. */
const stop = (id: number, code: number): ReadonlyArray<number> => [0x05, id, code]

const read = (it: Uint8Array): StopCodes => {
  const codes = new StopCodes()
  readStops(codes, it)
  return codes
}

const ack = [0x02, 9, 0, 0, 0]

describe("the code of a stop", () => {
  for (const [where, frames] of [
    ["at a packet's beginning", []],
    ["behind PING frames", [1, 1]],
    ["behind an acknowledgement", ack],
    ["behind an acknowledgement of three ranges", [0x02, 9, 0, 2, 0, 0x40, 1, 0, 1, 1]],
    ["behind an acknowledgement with ECN counts", [0x03, 9, 0, 1, 0, 1, 1, 0x40, 5, 0, 0]],
    ["behind credit for streams and bytes", [...ack, 0x1e, 0x12, 9, 0x13, 9, 0x11, 2, 0x40, 9, 0x10, 0x80, 0, 0, 9]],
    [
      "behind a reset and frames of a sender without credit",
      [...ack, 4, 8, 1, 0, 0x14, 9, 0x15, 2, 9, 0x16, 9, 0x17, 9]
    ],
    ["behind a retired connection id", [...ack, 0x19, 1]],
    ["behind a new connection id", [...ack, 0x18, 3, 0x40, 1, 20, ...Array.from({ length: 20 + 16 }, () => 5)]],
    ["behind frames that probe a path", [...ack, 0x1b, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 1, 2, 3, 4, 5, 6, 7, 8]],
    ["behind other stops", [...stop(2, 9), ...stop(10, 9)]]
  ] as const) {
    it(`is read ${where}`, () => {
      assert.strictEqual(read(packet([...frames, ...stop(6, 42)])).of(6), 42)
    })
  }

  it("is read with numbers of every length, and clamped", () => {
    const largest = Array.from({ length: 8 }, () => 0xff)
    const codes = read(packet([0x05, 0x40, 2, 0x80, 0, 1, 0, 0x05, 0x80, 0, 0, 6, ...largest]))
    assert.strictEqual(codes.of(2), 256)
    assert.strictEqual(codes.of(6), Number.MAX_SAFE_INTEGER)
  })

  it("is not read from what was not decrypted or failed authentication, as data, or from a frame in the tag", () => {
    const whole = packet(stop(6, 42))
    const zeros = whole.slice()
    zeros.fill(0, 22, zeros.length - 16)
    const truncated = [
      packet([5]),
      packet([5, 6]),
      packet([5, 6, 0x40]),
      packet([...ack, 5]),
      packet([0x02, 9, 0, 0x80])
    ]
    const others = [zeros, packet([0x0a, 2, 3, ...stop(6, 42)])]
    for (const it of [...truncated, ...others, packet([]), packet(ack)]) {
      const codes = read(it)
      for (let id = 0; id < 64; id++) assert.isUndefined(codes.of(id))
    }
  })

  it("is kept until they are forgotten, and of a bounded number of streams", () => {
    const codes = new StopCodes()
    for (let i = 0; i < 2 * maxStopCodes; i++) {
      const it = packet([0x05, 0x80, 0, i >> 8, i & 0xff, 7])
      readStops(codes, it)
    }
    assert.strictEqual(codes.of(maxStopCodes - 1), 7)
    assert.isUndefined(codes.of(maxStopCodes))
    codes.clear()
    assert.isUndefined(codes.of(0))
  })
})
