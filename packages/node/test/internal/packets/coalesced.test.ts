import { assert, describe, it } from "@effect/vitest"
import { Coalesced } from "../../../src/internal/packets/coalesced.ts"

const version1 = [0, 0, 0, 1]

const id = Array<number>(20).fill(7)

/** A packet with a long header, no source id and no token, and so many bytes of its own. */
const long = (type: number, bytes: number) => [
  0xc0 | (type << 4),
  ...version1,
  id.length,
  ...id,
  0,
  ...(type === 0 ? [0] : []),
  bytes,
  ...Array<number>(bytes).fill(type)
]
const initial = long(0, 8)
const handshake = long(2, 6)
const oneRtt = [0x40, ...id, ...Array<number>(30).fill(1)]

const datagram = (...packets: ReadonlyArray<ReadonlyArray<number>>) => Uint8Array.from(packets.flat())

/** How many bytes the binding is handed, one after the other, for each datagram. */
const handed = (coalesced: Coalesced, datagrams: ReadonlyArray<Uint8Array>, apart = false) =>
  datagrams.map((it) => coalesced.parts(it, apart).handed.map(({ length }) => length))

const lengths = (...packets: ReadonlyArray<ReadonlyArray<number>>) => packets.map(({ length }) => length)
const whole = (...packets: ReadonlyArray<ReadonlyArray<number>>) => [packets.flat().length]

describe("packets that come in one datagram", () => {
  it("go together up to the first that make the keys of Initial packets go, and one by one after that", () => {
    const first = datagram(initial)
    const second = datagram(initial, handshake, oneRtt)
    assert.deepStrictEqual(handed(new Coalesced(), [first, first, second, second, datagram(handshake, oneRtt)]), [
      whole(initial),
      whole(initial),
      whole(initial, handshake, oneRtt),
      lengths(initial, handshake, oneRtt),
      lengths(handshake, oneRtt)
    ])
  })

  it("go one by one after a Handshake packet that came alone", () => {
    assert.deepStrictEqual(handed(new Coalesced(), [datagram(handshake), datagram(initial, handshake)]), [
      whole(handshake),
      lengths(initial, handshake)
    ])
  })

  it("go one by one after a timer, which may have made this side send one", () => {
    const coalesced = new Coalesced()
    coalesced.timedOut()
    assert.deepStrictEqual(handed(coalesced, [datagram(initial, handshake)]), [lengths(initial, handshake)])
  })

  it("go one by one where it matters which of them count, and the next ones too", () => {
    const coalesced = new Coalesced()
    const it = datagram(initial, handshake)
    assert.deepStrictEqual(handed(coalesced, [it], true), [lengths(initial, handshake)])
    assert.deepStrictEqual(handed(coalesced, [it]), [lengths(initial, handshake)])
  })

  it("end in a 1-RTT packet, which is handed over with them or by itself", () => {
    const coalesced = new Coalesced()
    for (const _ of ["whole", "apart"]) {
      assert.deepStrictEqual([...coalesced.parts(datagram(handshake, oneRtt), false).oneRtt!], oneRtt)
    }
    assert.isUndefined(coalesced.parts(datagram(initial, handshake), false).oneRtt)
  })

  it("end where a 1-RTT packet for another connection id begins", () => {
    for (const strange of [[0x40, ...id.slice(1), 8, ...Array<number>(30).fill(1)], oneRtt.slice(0, 20)]) {
      for (const apart of [false, true]) {
        const { handed, oneRtt } = new Coalesced().parts(datagram(initial, handshake, strange), apart)
        assert.strictEqual(Buffer.concat(handed).length, initial.length + handshake.length)
        assert.isUndefined(oneRtt)
      }
    }
  })
})
