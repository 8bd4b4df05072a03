import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Outbox } from "../../../src/internal/path/outbox.ts"
import { maxDatagramsInFlight } from "../../../src/internal/tunables/path.ts"
import type { Batch, Sender } from "../../../src/internal/udp/udpSocket.ts"
import { address } from "../../support/quicSockets.ts"

const to = address("192.0.2.7:443")
const sender: Sender = { refused: () => {} }

/** What the kernel has been given and has not taken. */
const setup = () => {
  const batches: Array<{ readonly batch: Batch; readonly done: () => void }> = []
  const outbox = new Outbox((batch, done) => batches.push({ batch, done }))
  /** The memory that packets were written into. */
  const memory = new Set<ArrayBufferLike>()
  const packet = (size: number, length = size, fill = 0) => {
    const buffer = outbox.packetBuffer(size)
    assert.strictEqual(buffer.length, size)
    memory.add(buffer.buffer)
    // The binding may use all of it, also where the packet has fewer bytes in the end.
    buffer.fill(fill)
    outbox.addBuffered(length, to, sender)
  }
  const taken = (index = 0) => batches.splice(index, 1)[0]?.done()
  return { batches, memory, outbox, packet, taken }
}

const largest = 16_383

/** So many packets of one size, handing over, and the kernel being done with one of the batches that it has. */
const anyStep = fc.oneof(
  fc.record({
    kind: fc.constant("packets" as const),
    count: fc.integer({ min: 1, max: 12 }),
    size: fc.oneof(fc.constant(largest), fc.integer({ min: 1_200, max: largest })),
    unused: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1_199 }))
  }),
  fc.record({ kind: fc.constant("dispatch" as const) }),
  fc.record({ kind: fc.constant("taken" as const), which: fc.nat() })
)

describe("what is handed over", () => {
  it("is as it was written until the kernel has taken it, in every order", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60, size: "max" }), (steps) => {
        const { batches, outbox, packet, taken } = setup()
        const written: Array<Buffer> = []
        const expected = new Map<Batch[number], Buffer>()
        let handedOver = 0
        const dispatch = () => {
          const before = batches.length
          outbox.dispatch()
          assert.strictEqual(batches.length - before, written.length > 0 ? 1 : 0)
          for (const datagram of batches[before]?.batch ?? []) expected.set(datagram, written[handedOver++]!)
          assert.strictEqual(handedOver, written.length)
          handedOver = written.length = 0
        }
        const check = () => {
          for (const { batch } of batches) {
            for (const datagram of batch) {
              assert.isTrue(expected.get(datagram)!.equals(datagram.payload), "a packet has changed")
            }
          }
        }
        let count = 0
        for (const step of steps) {
          if (step.kind === "packets") {
            for (let i = 0; i < step.count; i++) {
              const fill = (count += 1) % 256
              packet(step.size, step.size - step.unused, fill)
              written.push(Buffer.alloc(step.size - step.unused, fill))
            }
          } else if (step.kind === "dispatch") dispatch()
          else {
            check()
            if (batches.length > 0) taken(step.which % batches.length)
          }
        }
        dispatch()
        check()
      }),
      { numRuns: 100 }
    )
  })

  it("is intact as well when the kernel takes it at once", () => {
    const sent: Array<number> = []
    const outbox = new Outbox((batch, done) => {
      for (const { payload } of batch) sent.push(payload[0]!, payload.length)
      done()
    })
    for (let i = 1; i <= 3; i++) {
      for (let j = 0; j < i; j++) {
        outbox.packetBuffer(1_200).fill(10 * i + j)
        outbox.addBuffered(100 + j, to, sender)
      }
      outbox.dispatch()
    }
    assert.deepStrictEqual(sent, [10, 100, 20, 100, 21, 101, 30, 100, 31, 101, 32, 102])
  })

  it("is what was added, in its order, and where it goes; and nothing when there is nothing", () => {
    const { batches, outbox, packet } = setup()
    outbox.dispatch()
    assert.deepStrictEqual(batches, [])
    const other = address("192.0.2.8:443")
    packet(1_200, 3, 1)
    outbox.add(Uint8Array.of(2, 2), other)
    packet(1_200, 1, 3)
    outbox.dispatch()
    outbox.dispatch()
    assert.deepStrictEqual(
      batches.map(({ batch }) =>
        batch.map((datagram) => [Array.from(datagram.payload), datagram.address, datagram.sender])
      ),
      [
        [
          [[1, 1, 1], to, sender],
          [[2, 2], other, undefined],
          [[3], to, sender]
        ]
      ]
    )
  })
})

describe("memory", () => {
  it("is used again when the kernel has taken what was in it", () => {
    const { memory, outbox, packet, taken } = setup()
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 50; j++) packet(1_200)
      outbox.dispatch()
      taken()
    }
    assert.strictEqual(memory.size, 1)
  })

  it("of several batches is used again, also while the kernel always has one of them", () => {
    const { memory, outbox, packet, taken } = setup()
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 20; j++) packet(largest)
      outbox.dispatch()
      if (i > 0) taken()
    }
    // 320 KiB a batch, of which there are two at most; each begins where the one before it ended.
    assert.isAtMost(memory.size, 7)
  })

  it("is used again when a batch was taken after the next had begun in the same", () => {
    const { memory, outbox, packet, taken } = setup()
    for (let i = 0; i < 200; i++) {
      packet(largest)
      outbox.dispatch()
      packet(largest)
      taken()
      outbox.dispatch()
      taken()
    }
    assert.strictEqual(memory.size, 1)
  })

  it("of a burst is not kept for ever", () => {
    const { memory, outbox, packet, taken } = setup()
    const burst = () => {
      for (let i = 0; i < 20 * 8; i++) packet(largest)
      outbox.dispatch()
      taken()
    }
    burst()
    assert.strictEqual(memory.size, 20)
    const before = new Set(memory)
    memory.clear()
    burst()
    // Eight that were kept, and the one that was being written into.
    assert.strictEqual([...memory].filter((buffer) => before.has(buffer)).length, 9)
  })
})

describe("room", () => {
  it("there is for so many packets that the kernel has not taken", () => {
    const { outbox, packet, taken } = setup()
    packet(1_200)
    outbox.dispatch()
    for (let i = 2; i < maxDatagramsInFlight; i++) outbox.add(Uint8Array.of(1), to)
    assert.isTrue(outbox.hasRoom)
    packet(1_200)
    assert.isFalse(outbox.hasRoom)
    outbox.dispatch()
    assert.isFalse(outbox.hasRoom)
    taken()
    assert.isTrue(outbox.hasRoom)
    packet(1_200)
    assert.isFalse(outbox.hasRoom)
    taken()
    assert.isTrue(outbox.hasRoom)
  })
})
