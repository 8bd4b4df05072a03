import { assert, describe, it } from "@effect/vitest"
import { Admission, type Load } from "../../../src/internal/socket/admission.ts"
import type { Quiche } from "../../../src/internal/binding/native.ts"
import { parseLongHeader } from "../../../src/internal/packets/packetHeader.ts"
import { retryThreshold, retryTokenLifetime } from "../../../src/internal/tunables/handshakes.ts"
import { minEndedKept } from "../../../src/internal/tunables/places.ts"
import { connectionIdLength, randomId } from "../../../src/internal/packets/connectionId.ts"
import { minDatagramSize } from "../../../src/internal/packets/datagramSize.ts"

const client = "192.0.2.7 443"
const dcid = Uint8Array.from({ length: 8 }, (_, i) => i + 1)
const scid = Uint8Array.of(9, 9, 9)

/** A client's first packet, without the parts that are encrypted. */
const initial = (
  options: {
    readonly version?: number
    readonly type?: number
    readonly dcid?: Uint8Array
    readonly token?: Uint8Array
    readonly length?: number
  } = {}
): Uint8Array => {
  const { token = new Uint8Array(0), type = 0, version = 1 } = options
  const id = options.dcid ?? dcid
  const packet = new Uint8Array(options.length ?? minDatagramSize)
  // Token lengths take two bytes (RFC 9000, section 16).
  const start = [0xc0 | (type << 4), 0, 0, 0, version, id.length, ...id, scid.length, ...scid]
  packet.set([...start, 0x40 | (token.length >> 8), token.length & 0xff, ...token])
  return packet
}

const idle: Load = {
  client,
  now: 0,
  isFull: false,
  maxConnections: 10,
  ended: 0,
  fromIp: 0,
  maxFromIp: 5,
  handshakes: 0,
  needsRetry: false,
  isExhausted: false,
  isBehind: false
}

/** `retries` keeps the tokens that clients were sent. */
const setup = (fails = false) => {
  const retries: Array<{ readonly newScid: Uint8Array; readonly token: Uint8Array }> = []
  const admission = new Admission(
    {
      retry: (_scid: Uint8Array, _dcid: Uint8Array, newScid: Uint8Array, token: Uint8Array) => {
        if (fails) throw new Error("BufferTooShort")
        retries.push({ newScid, token })
        return 100
      }
    } as unknown as Quiche,
    () => ({ id: randomId(), resetToken: 7n })
  )
  const judge = (packet: Uint8Array, load: Partial<Load> = {}, now = 0, from = client) =>
    admission.judge(packet.length, parseLongHeader(packet)!, { ...idle, now, client: from, ...load })
  return { admission, judge, retries }
}

describe("a stranger's packet", () => {
  it("opens a connection when it is an Initial packet of full size", () => {
    const verdict = setup().judge(initial())
    if (verdict._tag !== "Accept") return assert.fail(verdict._tag)
    assert.strictEqual(verdict.scid.length, connectionIdLength)
    assert.strictEqual(verdict.resetToken, 7n)
    assert.isUndefined(verdict.originalDcid)
    assert.deepStrictEqual([...verdict.clientDcid], [...dcid])
    assert.deepStrictEqual([...verdict.clientScid], [...scid])
  })

  for (const [what, packet, load] of [
    ["is too small", initial({ length: minDatagramSize - 1 }), {}],
    ["is version negotiation", initial({ version: 0 }), {}],
    ["is no Initial packet", initial({ type: 2 }), {}],
    ["has an id that could be guessed", initial({ dcid: dcid.subarray(1) }), {}],
    ["comes while too many connections close", initial(), { ended: minEndedKept }],
    ["comes while more connections close than may be open", initial(), { ended: 1_000, maxConnections: 1_000 }],
    ["brings a token of another socket", initial({ token: new Uint8Array(50) }), {}]
  ] as const) {
    it(`is dropped when it ${what}`, () => {
      assert.deepStrictEqual(setup().judge(packet, load), { _tag: "Drop" })
    })
  }

  it("costs no look at the load when it is too small or no Initial packet, and gets version negotiation without", () => {
    const unread = new Proxy(idle, { get: (_, name) => assert.fail(`the load is asked for ${String(name)}`) })
    const { admission } = setup()
    const judge = (packet: Uint8Array) => admission.judge(packet.length, parseLongHeader(packet)!, unread)._tag
    const packets = [initial({ length: minDatagramSize - 1 }), initial({ type: 2 }), initial({ version: 7 })]
    assert.deepStrictEqual(packets.map(judge), ["Drop", "Drop", "Reply"])
  })

  it("is let in although some connections close", () => {
    for (const load of [{ ended: minEndedKept - 1 }, { ended: 999, maxConnections: 1_000 }]) {
      assert.strictEqual(setup().judge(initial(), load)._tag, "Accept")
    }
  })

  it("of another version gets version negotiation", () => {
    const verdict = setup().judge(initial({ version: 7 }))
    if (verdict._tag !== "Reply") return assert.fail(verdict._tag)
    assert.strictEqual(parseLongHeader(verdict.packet)?.version, 0)
  })

  it("is refused when there is no place, or none for its address", () => {
    for (const load of [{ isFull: true }, { fromIp: 5 }, { isBehind: true }]) {
      const verdict = setup().judge(initial(), load)
      if (verdict._tag !== "Reply") return assert.fail(verdict._tag)
      assert.isTrue(parseLongHeader(verdict.packet)?.initial)
    }
  })
})

describe("under a load of handshakes, a stranger", () => {
  const load = { handshakes: retryThreshold }

  it("gets in with the token that it was sent, from where it was sent, once it has shown that it got there", () => {
    const { judge, retries } = setup()
    assert.strictEqual(judge(initial(), { handshakes: retryThreshold - 1 })._tag, "Accept")
    assert.strictEqual(judge(initial(), load)._tag, "Reply")
    const { newScid, token } = retries[0]!
    const second = initial({ token, dcid: newScid })
    const verdict = judge(second, load)
    if (verdict._tag !== "Accept") return assert.fail(verdict._tag)
    assert.deepStrictEqual([...verdict.originalDcid!], [...dcid])
    assert.deepStrictEqual([...verdict.scid], [...newScid])
    assert.deepStrictEqual(judge(second, load, 0, "192.0.2.8 443"), { _tag: "Drop" })
    assert.deepStrictEqual(judge(second, load, retryTokenLifetime + 1), { _tag: "Drop" })
  })

  it("gets a Retry when many have only pretended to dial, and nothing once its own IP address has, with a token", () => {
    const { judge, retries } = setup()
    assert.strictEqual(judge(initial(), { needsRetry: true })._tag, "Reply")
    const { newScid, token } = retries[0]!
    const second = initial({ token, dcid: newScid })
    assert.deepStrictEqual(judge(second, { needsRetry: true, isExhausted: true }), { _tag: "Drop" })
    assert.strictEqual(judge(second, { needsRetry: true })._tag, "Accept")
    // Without a token the address is not proven: what is counted against it may be another's doing.
    assert.strictEqual(judge(initial(), { isExhausted: true })._tag, "Accept")
  })

  it("is dropped when the binding makes no Retry for it", () => {
    assert.deepStrictEqual(setup(true).judge(initial(), load), { _tag: "Drop" })
  })
})
