import { IdleTimedOut } from "@qp2p/core/Close"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import type { NatKind } from "../src/Gateway.ts"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import { behind, bindOn, gateway, movesOf, open, reach, reaches, seenAt } from "./support/hosts.ts"
import { address, provide, settle, text } from "./support/recordingSockets.ts"

const kinds: ReadonlyArray<NatKind> = ["FullCone", "AddressRestricted", "PortRestricted", "Symmetric"]

/** A socket behind a gateway, two on one public host, and one on another. */
const scene = Effect.fnUntraced(function* (kind: NatKind) {
  const home = yield* gateway({ address: "203.0.113.1", kind, mappingLifetime: "30 seconds" })
  const inside = yield* bindOn(behind(home, "192.168.1.2"), 4433)
  const peer = yield* bindOn(open("198.51.100.1"), 1)
  const samePeer = yield* bindOn(open("198.51.100.1"), 2)
  const other = yield* bindOn(open("198.51.100.2"), 1)
  return { home, inside, peer, samePeer, other }
})

describe.each(kinds)("a %s gateway", (kind) => {
  const symmetric = kind === "Symmetric"
  const first = symmetric ? "203.0.113.1:1024" : "203.0.113.1:4433"
  const second = symmetric ? "203.0.113.1:1025" : "203.0.113.1:4433"

  it.effect("shows a socket to those that it dials, at one port or, if it is symmetric, at one for each", () =>
    Effect.gen(function* () {
      const { inside, other, peer, samePeer } = yield* scene(kind)
      assert.strictEqual(NetAddress.formatInet(inside.socket.address), "0.0.0.0:4433")
      assert.strictEqual(seenAt(yield* reach(inside, "198.51.100.1:1")), "198.51.100.1:1")
      assert.isTrue(yield* reaches(inside, "198.51.100.2:1"))
      assert.isTrue(yield* reaches(inside, "198.51.100.1:2"))
      assert.strictEqual(seenAt(peer.accepted[0]), first)
      assert.strictEqual(seenAt(other.accepted[0]), second)
      assert.strictEqual(seenAt(samePeer.accepted[0]), symmetric ? "203.0.113.1:1026" : first)
    }).pipe(provide)
  )

  it.effect("lets in those whom it may, once the socket has sent", () =>
    Effect.gen(function* () {
      const { inside, other, peer, samePeer } = yield* scene(kind)
      // Before: nobody, neither at the port to come nor at the address that holds inside only.
      for (const to of [first, "192.168.1.2:4433"]) assert.isFalse(yield* reaches(peer, to))
      assert.isTrue(yield* reaches(inside, "198.51.100.1:1"))
      const got = [yield* reaches(other, first), yield* reaches(samePeer, first), yield* reaches(peer, first)]
      const expected = {
        FullCone: [true, true, true],
        AddressRestricted: [false, true, true],
        PortRestricted: [false, false, true],
        Symmetric: [false, false, true]
      }
      assert.deepStrictEqual(got, expected[kind])
      // Whoever gets in is seen where it is.
      const from = ["198.51.100.2:1", "198.51.100.1:2", "198.51.100.1:1"]
      assert.deepStrictEqual(
        inside.accepted.map(seenAt),
        from.filter((_, index) => got[index])
      )
    }).pipe(provide)
  )

  it.effect("closes a port when nothing was sent from it for its lifetime, although packets come in", () =>
    Effect.gen(function* () {
      const { inside, peer } = yield* scene(kind)
      const dialled = yield* reach(inside, "198.51.100.1:1")
      dialled!.connection.close(0, "")
      yield* TestClock.adjust("29999 millis")
      assert.isTrue(yield* reaches(peer, first))
      inside.accepted[0]!.connection.close(0, "")
      // Its answers were packets out.
      yield* TestClock.adjust("29999 millis")
      assert.isTrue(yield* reaches(peer, first))
      inside.accepted[1]!.connection.close(0, "")
      yield* TestClock.adjust("30 seconds")
      assert.isFalse(yield* reaches(peer, first))
    }).pipe(provide)
  )

  it.effect("keeps a port open for those that keep their connections alive, and not for others", () =>
    Effect.gen(function* () {
      const home = yield* gateway({ address: "203.0.113.1", kind, mappingLifetime: "30 seconds" })
      const idleTimeout = Duration.minutes(10)
      const keptAlive = yield* bindOn(behind(home, "192.168.1.2"), 1, {
        idleTimeout,
        keepAliveInterval: Duration.seconds(20)
      })
      const silent = yield* bindOn(behind(home, "192.168.1.3"), 2, { idleTimeout })
      const peer = yield* bindOn(open("198.51.100.1"), 1, { idleTimeout })
      for (const inside of [keptAlive, silent]) assert.isTrue(yield* reaches(inside, "198.51.100.1:1"))
      yield* TestClock.adjust("5 minutes")
      for (const each of peer.accepted) each.send(text("still there?"))
      yield* TestClock.adjust("4 minutes")
      const heard = [keptAlive, silent].map(({ dialled }) => dialled[0]!.streams.map((stream) => stream.text))
      assert.deepStrictEqual(heard, [["still there?"], []])
    }).pipe(provide)
  )

  it.effect("reaches itself from inside at its outer address, if it has hairpinning", () =>
    Effect.gen(function* () {
      const seen = yield* Effect.forEach([true, false], (hairpinning, index) =>
        Effect.gen(function* () {
          const home = yield* gateway({ address: `203.0.113.${index}`, kind, hairpinning })
          const one = yield* bindOn(behind(home, "192.168.1.2"), 1111)
          const two = yield* bindOn(behind(home, "192.168.1.3"), 2222)
          const contact = yield* bindOn(open("198.51.100.1"), index + 1)
          for (const each of [one, two]) yield* reaches(each, `198.51.100.1:${index + 1}`)
          // Each sends to where the contact sees the other, as those do that were introduced by it.
          const [toOne, toTwo] = contact.accepted.map(seenAt)
          const dials = [one.dial(address(toTwo!)), two.dial(address(toOne!))]
          yield* settle
          return dials.map(({ connected }) => seenAt(connected[0]))
        })
      )
      assert.deepStrictEqual(seen, [
        symmetric ? ["nowhere", "nowhere"] : ["203.0.113.0:2222", "203.0.113.0:1111"],
        ["nowhere", "nowhere"]
      ])
    }).pipe(provide)
  )

  it.effect("has hosts behind it talk without it, and see where they are", () =>
    Effect.gen(function* () {
      const home = yield* gateway({ address: "203.0.113.1", kind, hairpinning: false })
      const one = yield* bindOn(behind(home, "192.168.1.2"), 1)
      const two = yield* bindOn(behind(home, "192.168.1.3"), 2)
      assert.strictEqual(seenAt(yield* reach(one, "192.168.1.3:2")), "192.168.1.3:2")
      assert.deepStrictEqual(two.accepted.map(seenAt), ["192.168.1.2:1"])
      // What is known to be inside stays inside, when it is gone too.
      yield* Effect.scoped(bindOn(behind(home, "192.168.1.4"), 3))
      const namesake = yield* bindOn(open("192.168.1.4"), 3)
      assert.isFalse(yield* reaches(one, "192.168.1.4:3"))
      assert.deepStrictEqual(namesake.accepted, [])
    }).pipe(provide)
  )
})

describe("a gateway", () => {
  it.effect("is port-restricted with hairpinning and a lifetime of two minutes, unless told otherwise", () =>
    Effect.gen(function* () {
      const home = yield* gateway({ address: "203.0.113.1" })
      assert.strictEqual(home.kind, "PortRestricted")
      assert.strictEqual(NetAddress.formatIp(home.address), "203.0.113.1")
      const inside = yield* bindOn(behind(home, "192.168.1.2"), 4433)
      const neighbour = yield* bindOn(behind(home, "192.168.1.3"), 4434)
      const [peer, other] = [yield* bindOn(open("198.51.100.1"), 1), yield* bindOn(open("198.51.100.1"), 2)]
      const dialled = yield* reach(inside, "198.51.100.1:1")
      dialled!.connection.close(0, "")
      assert.isFalse(yield* reaches(other, "203.0.113.1:4433"))
      // A dial that got nowhere has opened the way back all the same.
      assert.isFalse(yield* reaches(inside, "203.0.113.1:4434"))
      assert.isTrue(yield* reaches(neighbour, "203.0.113.1:4433"))
      inside.accepted[0]!.connection.close(0, "")
      yield* TestClock.adjust("119999 millis")
      assert.isTrue(yield* reaches(peer, "203.0.113.1:4433"))
      inside.accepted[1]!.connection.close(0, "")
      yield* TestClock.adjust("2 minutes")
      assert.isFalse(yield* reaches(peer, "203.0.113.1:4433"))
    }).pipe(provide)
  )

  it.effect("gives the second of two hosts with one port the next", () =>
    Effect.gen(function* () {
      const home = yield* gateway({ address: "203.0.113.1", kind: "FullCone" })
      const hosts = ["192.168.1.2", "192.168.1.3", "192.168.1.4"]
      const inside = yield* Effect.forEach(hosts, (ip) => bindOn(behind(home, ip), 4433))
      const peer = yield* bindOn(open("198.51.100.1"), 1)
      for (const each of inside) yield* reaches(each, "198.51.100.1:1")
      const seen = peer.accepted.map(seenAt)
      assert.deepStrictEqual(seen, ["203.0.113.1:4433", "203.0.113.1:4434", "203.0.113.1:4435"])
      // Each of them leads to its own.
      for (const to of seen) assert.isTrue(yield* reaches(peer, to))
      assert.deepStrictEqual(
        inside.map(({ accepted }) => accepted.length),
        [1, 1, 1]
      )
    }).pipe(provide)
  )

  it.effect("may be behind another: each translates, and each filters", () =>
    Effect.gen(function* () {
      const carrier = yield* gateway({ address: "203.0.113.1", kind: "PortRestricted" })
      const [one, two] = [
        yield* gateway({ address: "100.64.0.1", kind: "FullCone", behind: carrier }),
        yield* gateway({ address: "100.64.0.2", kind: "FullCone", behind: carrier })
      ]
      // Two homes with the same addresses inside.
      const [a, b] = [yield* bindOn(behind(one, "192.168.1.2"), 4433), yield* bindOn(behind(two, "192.168.1.2"), 4433)]
      const [peer, other] = [yield* bindOn(open("198.51.100.1"), 1), yield* bindOn(open("198.51.100.2"), 1)]
      for (const inside of [a, b]) assert.isTrue(yield* reaches(inside, "198.51.100.1:1"))
      assert.deepStrictEqual(peer.accepted.map(seenAt), ["203.0.113.1:4433", "203.0.113.1:4434"])
      assert.isTrue(yield* reaches(peer, "203.0.113.1:4434"))
      assert.deepStrictEqual([a.accepted.length, b.accepted.length], [0, 1])
      // Full cones they may be: it is the carrier's that keeps others out.
      assert.isFalse(yield* reaches(other, "203.0.113.1:4433"))
      // Between the homes, at the addresses that hold there.
      assert.isTrue(yield* reaches(a, "100.64.0.2:4433"))
      assert.deepStrictEqual(b.accepted.map(seenAt), ["198.51.100.1:1", "100.64.0.1:4433"])
      // And round by the carrier's own address, for which it has to have sent there too.
      assert.isFalse(yield* reaches(a, "203.0.113.1:4434"))
      assert.isTrue(yield* reaches(b, "203.0.113.1:4433"))
      assert.deepStrictEqual(a.accepted.map(seenAt), ["203.0.113.1:4434"])
    }).pipe(provide)
  )

  it.effect("keeps apart homes that have the same addresses inside", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* gateway({ address: "203.0.113.1" }), yield* gateway({ address: "203.0.113.2" })]
      const [a, b] = [yield* bindOn(behind(one, "192.168.1.2"), 4433), yield* bindOn(behind(two, "192.168.1.2"), 4433)]
      const neighbour = yield* bindOn(behind(two, "192.168.1.3"), 1)
      const peer = yield* bindOn(open("198.51.100.1"), 1)
      assert.isFalse(yield* reaches(a, "192.168.1.3:1"))
      for (const inside of [a, b]) assert.isTrue(yield* reaches(inside, "198.51.100.1:1"))
      assert.deepStrictEqual(peer.accepted.map(seenAt), ["203.0.113.1:4433", "203.0.113.2:4433"])
      assert.isTrue(yield* reaches(b, "192.168.1.3:1"))
      assert.deepStrictEqual([a.accepted.length, neighbour.accepted.length], [0, 1])
    }).pipe(provide)
  )

  it.effect("that loses its power has connections go on from where they are seen next", () =>
    Effect.gen(function* () {
      const { home, inside, peer } = yield* scene("Symmetric")
      const near = (yield* reach(inside, "198.51.100.1:1"))!
      const far = peer.accepted[0]!
      const moves = movesOf(far)
      const send = far.connection.openUni(0)
      const write = (message: string) => far.write(send, text(message), false)
      yield* home.restart()
      // What is sent to where it was is lost, and comes when its next packet has shown where it is.
      const written = write("a")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([near.streams.length, moves], [0, []])
      near.send(text("from inside"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([near.streams[0]!.text, far.streams[0]!.text, written], ["a", "from inside", ["done"]])
      assert.deepStrictEqual(moves, ["203.0.113.1:1025"])

      // Nobody is where it was this time, not even a gateway that turns packets away.
      yield* home.restart("203.0.113.77")
      write("b")
      yield* TestClock.adjust("5 seconds")
      near.send(text("from inside again"))
      yield* settle
      write("c")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([near.streams[0]!.text, far.streams[1]!.text], ["abc", "from inside again"])
      assert.deepStrictEqual(moves, ["203.0.113.1:1025", "203.0.113.77:1026"])
      assert.strictEqual(NetAddress.formatIp(home.address), "203.0.113.77")
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
    }).pipe(provide)
  )

  it.effect("that loses its power has a peer seen where it was until it has received where it is", () =>
    Effect.gen(function* () {
      const { home, inside, peer } = yield* scene("Symmetric")
      const near = (yield* reach(inside, "198.51.100.1:1"))!
      const far = peer.accepted[0]!
      const moves = movesOf(far)
      const network = yield* MemoryNetwork
      const before = seenAt(far)
      yield* home.restart()
      yield* network.setLatency("100 millis")
      near.send(text("from inside"))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(far.streams[0]!.text, "from inside")
      // A packet there and one back.
      yield* TestClock.adjust("199 millis")
      assert.deepStrictEqual([seenAt(far), moves], [before, []])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([seenAt(far), moves], ["203.0.113.1:1025", ["203.0.113.1:1025"]])
    }).pipe(provide)
  )

  it.effect("that loses its power shows a cone's sockets where they were, once they have sent again", () =>
    Effect.gen(function* () {
      const { home, inside, peer } = yield* scene("FullCone")
      const near = yield* reach(inside, "198.51.100.1:1")
      yield* home.restart()
      assert.isFalse(yield* reaches(peer, "203.0.113.1:4433"))
      near!.send(text("still here"))
      yield* settle
      assert.strictEqual(peer.accepted[0]!.streams.length, 1)
      assert.strictEqual(seenAt(peer.accepted[0]), "203.0.113.1:4433")
      assert.isTrue(yield* reaches(peer, "203.0.113.1:4433"))
    }).pipe(provide)
  )

  it.effect("that loses its power ends what never sends from inside by its idle timeout", () =>
    Effect.gen(function* () {
      const { home, inside, peer } = yield* scene("PortRestricted")
      const near = yield* reach(inside, "198.51.100.1:1")
      yield* home.restart("203.0.113.77")
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(near!.closes, [new IdleTimedOut()])
      assert.deepStrictEqual(peer.accepted[0]!.closes, [new IdleTimedOut()])
    }).pipe(provide)
  )

  it.effect("does not take an address that is none", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(gateway({ address: "203.0.113.1:80" })))._tag, "NetAddressError")
      const home = yield* gateway({ address: "203.0.113.1" })
      assert.strictEqual((yield* Effect.flip(home.restart("nowhere")))._tag, "NetAddressError")
      assert.strictEqual(NetAddress.formatIp(home.address), "203.0.113.1")
      assert.strictEqual((yield* Effect.flip(bindOn(behind(home, "inside"), 1)))._tag, "NetAddressError")
    }).pipe(provide)
  )
})
