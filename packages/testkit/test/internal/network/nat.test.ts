import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as fc from "fast-check"
import { Nat, type NatKind } from "../../../src/internal/network/nat.ts"
import { type Place, placeAt, placeOf } from "../../../src/internal/network/place.ts"
import { Realm } from "../../../src/internal/network/realm.ts"

const outside = NetAddress.ipFromStringUnsafe("203.0.113.1")
const kinds: ReadonlyArray<NatKind> = ["FullCone", "AddressRestricted", "PortRestricted", "Symmetric"]
const lifetime = 100

const place = (text: string) => placeOf(NetAddress.inetAddressFromStringUnsafe(text))

/** A gateway with a clock to be set. */
const make = (kind: NatKind) => {
  const clock = { time: 0 }
  const nat = new Nat({
    kind,
    hairpinning: true,
    lifetime,
    address: outside,
    inside: new Realm(),
    outside: new Realm(),
    now: () => clock.time
  })
  return { clock, nat }
}

/** A packet that a socket inside has sent, and the port that it left through. */
interface Sent {
  readonly inner: Place
  readonly to: Place
  readonly port: number
  readonly time: number
}

const sockets = ["192.168.1.2:4433", "192.168.1.2:53", "192.168.1.3:4433", "192.168.1.3:65535", "192.168.1.4:4434"]
const peers = ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1", "198.51.100.3:3"]

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ inner: fc.constantFrom(...sockets), to: fc.constantFrom(...peers) }) },
    { weight: 2, arbitrary: fc.record({ pause: fc.integer({ min: 1, max: lifetime }) }) }
  ),
  { minLength: 1, maxLength: 40 }
)

/** RFC 3489, section 5: whether someone who sends from `from` gets in, when that was sent. */
const mayAnswer = (kind: NatKind, { to }: Sent, from: Place) =>
  kind === "FullCone" || (kind === "AddressRestricted" ? to.host === from.host : to.key === from.key)

/** What a port stands for: a socket inside or, when the gateway is symmetric, a socket inside and one outside. */
const ownerOf = (kind: NatKind, { inner, to }: Pick<Sent, "inner" | "to">) =>
  kind === "Symmetric" ? `${inner.key} ${to.key}` : inner.key

/** Plays the steps; `check` sees what was sent in the last `lifetime` before each step's packet, and that packet. */
const play = (
  kind: NatKind,
  run: typeof steps extends fc.Arbitrary<infer A> ? A : never,
  check: (alive: ReadonlyArray<Sent>, sent: Sent, nat: Nat) => void
) => {
  const { clock, nat } = make(kind)
  let history: Array<Sent> = []
  for (const step of run) {
    if ("pause" in step) {
      clock.time += step.pause
      continue
    }
    history = history.filter(({ time }) => time + lifetime > clock.time)
    const [inner, to] = [place(step.inner), place(step.to)]
    const { address } = nat.outbound(inner, to)!
    assert.deepStrictEqual(address.address, outside)
    const sent = { inner, to, port: address.port, time: clock.time }
    check(history, sent, nat)
    history.push(sent)
  }
}

describe.each(kinds)("Nat %s", (kind) => {
  it("never has two sockets at one port, and shows each at one port as long as it sends", () => {
    fc.assert(
      fc.property(steps, (run) => {
        play(kind, run, (alive, sent) => {
          const owner = ownerOf(kind, sent)
          for (const other of alive) assert.strictEqual(other.port === sent.port, ownerOf(kind, other) === owner)
        })
      })
    )
  })

  it("gives a socket its own port if it can, unless it is symmetric, and else one from 1024 to 65535", () => {
    fc.assert(
      fc.property(steps, (run) => {
        play(kind, run, (alive, { inner, port }) => {
          const own = inner.address.port
          if (kind !== "Symmetric") {
            if (port === own) return
            assert.isTrue(
              alive.some((other) => other.port === own || other.inner.key === inner.key),
              "its own is free"
            )
          }
          assert.isTrue(port >= 1024 && port <= 65535, String(port))
        })
      })
    )
  })

  it("lets in the senders that RFC 3489 names, and no other", () => {
    fc.assert(
      fc.property(steps, (run) => {
        play(kind, run, (alive, sent, nat) => {
          const history = [...alive, sent]
          for (const port of new Set(history.map((each) => each.port))) {
            for (const from of peers.map(place)) {
              const expected = history.find((each) => each.port === port && mayAnswer(kind, each, from))
              assert.strictEqual(nat.inbound(port, from)?.key, expected?.inner.key)
            }
          }
          assert.isUndefined(nat.inbound(1, sent.to))
        })
      })
    )
  })

  it("answers from a forwarded port what came through it, and keeps others off it", () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(...sockets), fc.constantFrom(...peers), (run, socket, peer) => {
        const { nat } = make(kind)
        const play = () => {
          for (const step of run) if ("inner" in step) nat.outbound(place(step.inner), place(step.to))
        }
        play()
        const [inner, from] = [place(socket), place(peer)]
        const { port } = nat.forward(inner, 5000, 1_000)!
        assert.strictEqual(port, 5000)
        const rival = place("192.168.1.9:5000")
        assert.notStrictEqual(nat.outbound(rival, from)!.address.port, port)
        assert.notStrictEqual(nat.forward(rival, port, 1_000)!.port, port)
        // Before it has come in, and after.
        nat.outbound(inner, from)
        assert.strictEqual(nat.inbound(port, from)?.key, inner.key)
        assert.strictEqual(nat.outbound(inner, from)?.address.port, port)
        play()
        for (const each of sockets.map(place)) {
          if (each.key === inner.key) continue
          assert.notStrictEqual(nat.outbound(each, from)!.address.port, port)
          assert.notStrictEqual(nat.forward(each, port, 1_000)!.port, port)
        }
      })
    )
  })

  it("has peers that came through a forwarded port go on when it is gone, and no new peer unless it is a full cone", () => {
    const { clock, nat } = make(kind)
    const [inner, one, two, late] = ["192.168.1.2:4433", "198.51.100.1:1", "198.51.100.2:2", "198.51.100.3:3"].map(
      place
    ) as [Place, Place, Place, Place]
    nat.forward(inner, 5000, 50)
    for (const peer of [one, two]) {
      assert.strictEqual(nat.inbound(5000, peer)?.key, inner.key)
      assert.strictEqual(nat.outbound(inner, peer)?.address.port, 5000)
    }
    clock.time = 50
    assert.deepStrictEqual(nat.forwarded, [])
    for (const peer of [one, two]) assert.strictEqual(nat.inbound(5000, peer)?.key, inner.key)
    assert.strictEqual(nat.inbound(5000, late)?.key, kind === "FullCone" ? inner.key : undefined)
    clock.time = lifetime
    for (const peer of [one, two, late]) assert.isUndefined(nat.inbound(5000, peer))
  })

  it("still lets in at its other port the peers of a socket there, when it has a forwarded one", () => {
    const { nat } = make(kind)
    const [inner, peer] = [place("192.168.1.2:4433"), place("198.51.100.1:1")]
    const before = nat.outbound(inner, peer)!.address.port
    nat.forward(inner, 5000, 1_000)
    assert.strictEqual(nat.inbound(5000, peer)?.key, inner.key)
    assert.strictEqual(nat.outbound(inner, peer)?.address.port, 5000)
    assert.strictEqual(nat.inbound(before, peer)?.key, inner.key)
  })

  it("renews a forward at the port that it has, for every requested port", () => {
    const { clock, nat } = make(kind)
    const inner = place("192.168.1.2:4433")
    nat.forward(inner, 5000, 50)
    clock.time = 49
    assert.strictEqual(nat.forward(inner, 6000, 50)?.port, 5000)
    clock.time = 98
    assert.strictEqual(nat.inbound(5000, place("198.51.100.1:1"))?.key, inner.key)
    clock.time = 99
    assert.isUndefined(nat.inbound(5000, place("198.51.100.2:2")))
    nat.forward(inner, 6000, 50)
    nat.unforward(inner)
    nat.unforward(inner)
    assert.isUndefined(nat.inbound(6000, place("198.51.100.1:1")))
  })

  it("forgets everything when it starts anew", () => {
    const { nat } = make(kind)
    const [inner, peer] = [place("192.168.1.2:4433"), place("198.51.100.1:1")]
    const { port } = nat.outbound(inner, peer)!.address
    nat.forward(inner, 5000, 1_000)
    const address = NetAddress.ipFromStringUnsafe("203.0.113.99")
    nat.restart(address)
    assert.deepStrictEqual(nat.forwarded, [])
    for (const each of [port, 5000]) assert.isUndefined(nat.inbound(each, peer))
    assert.isFalse(nat.leadsTo(placeAt(outside, port)))
    assert.isTrue(nat.leadsTo(placeAt(address, port)))
    const next = nat.outbound(inner, peer)!
    assert.strictEqual(next.host, "203.0.113.99")
    // Only the symmetric one cannot show it at its own port again.
    assert.strictEqual(next.address.port, kind === "Symmetric" ? port + 1 : 4433)
  })

  it("keeps only live mappings, while peers come and go", () => {
    const { clock, nat } = make(kind)
    const [inner, peer] = [place("192.168.1.2:4433"), place("198.51.100.1:1")]
    nat.forward(place("192.168.1.9:9"), 9, Number.POSITIVE_INFINITY)
    for (let i = 0; i < 20_000; i++) {
      clock.time += 10
      const [a, b] = [1 + (i >> 8), i & 255]
      // Sockets inside, peers outside, peers that come through a forwarded port, and one that is forgotten each time.
      nat.outbound(placeAt(NetAddress.ipFromStringUnsafe(`10.0.${a}.${b}`), 1 + (i % 65_535)), peer)
      nat.outbound(inner, placeAt(NetAddress.ipFromStringUnsafe(`172.16.${a}.${b}`), 1))
      nat.inbound(9, placeAt(NetAddress.ipFromStringUnsafe(`172.17.${a}.${b}`), 1))
      if (i % 20 === 0) nat.outbound(place("192.168.1.3:3"), peer)
    }
    assert.isBelow(nat.size, 5_000)
    clock.time += lifetime
    assert.isUndefined(nat.inbound(4433, placeAt(NetAddress.ipFromStringUnsafe("172.16.1.0"), 1)))
  })
})

describe("Nat", () => {
  it("lets nothing out when every port is taken, until one is free again", () => {
    const { clock, nat } = make("Symmetric")
    const inner = place("192.168.1.2:4433")
    const peer = (i: number) => placeAt(NetAddress.ipFromStringUnsafe(`198.51.${i >> 8}.${i & 255}`), 1)
    const ports = new Set<number>()
    for (let i = 0; i < 65_536 - 1_024; i++) ports.add(nat.outbound(inner, peer(i))!.address.port)
    assert.strictEqual(ports.size, 65_536 - 1_024)
    assert.isUndefined(nat.outbound(inner, peer(65_000)))
    assert.isUndefined(nat.forward(place("192.168.1.3:3"), 3_000, 1))
    assert.strictEqual(nat.inbound(1024, peer(0))?.key, inner.key)
    clock.time = lifetime
    assert.strictEqual(nat.outbound(inner, peer(65_000))?.address.port, 1024)
  })
})
