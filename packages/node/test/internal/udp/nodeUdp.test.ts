// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import type { EventEmitter } from "node:events"
import { type NetworkInterfaceInfoIPv6, networkInterfaces } from "node:os"
import { BindError } from "@qp2p/core/EndpointError"
import * as nodeUdp from "../../../src/internal/udp/nodeUdp.ts"
import { maxReadErrors } from "../../../src/internal/tunables/udp.ts"
import type { QueuedDatagram, UdpSocket } from "../../../src/internal/udp/udpSocket.ts"
import { address, text, until } from "../../support/quicSockets.ts"

const datagram = (payload: Uint8Array, to: NetAddress.InetAddress): QueuedDatagram => ({
  payload,
  address: to,
  sender: undefined
})

/** A socket that writes down what it is told. */
const open = Effect.fnUntraced(function* (local = "127.0.0.1:0", platform = process.platform) {
  const udp = yield* nodeUdp.open(address(local), platform)
  const arrived: Array<readonly [from: string, payload: string]> = []
  const refused: Array<readonly [payload: number, code: string]> = []
  const failures: Array<unknown> = []
  udp.listen({
    onDatagram: (it) => {
      assert.strictEqual(it.host, NetAddress.formatHost(it.address))
      assert.strictEqual(it.port, it.address.port)
      arrived.push([NetAddress.formatInet(it.address), Buffer.from(it.payload).toString()])
    },
    onRefused: ({ payload }, code) => refused.push([payload.length, code]),
    onFailed: (cause) => failures.push(cause)
  })
  return { udp, arrived, refused, failures }
})

const send = (udp: UdpSocket, batch: NonEmptyReadonlyArray<QueuedDatagram>): Effect.Effect<void> =>
  Effect.callback((resume) => udp.send(batch, () => resume(Effect.void)))

/** Node's own socket behind it, for what no network does on demand. */
const inner = (udp: UdpSocket) => (udp as unknown as { readonly socket: EventEmitter & { close(): void } }).socket

/** Too long for UDP. */
const tooLong = new Uint8Array(70_000)

for (const local of ["127.0.0.1:0", "[::1]:0"]) {
  describe(`a UDP socket at ${local}`, () => {
    it.live("sends batches, with a payload and an address of its own in each datagram", () =>
      Effect.gen(function* () {
        const one = yield* open(local)
        const two = yield* open(local)
        yield* send(one.udp, [
          datagram(text("first"), two.udp.address),
          datagram(text("to itself"), one.udp.address),
          datagram(text("second"), two.udp.address)
        ])
        yield* until("all have come", () => two.arrived.length === 2 && one.arrived.length === 1)
        const from = NetAddress.formatInet(one.udp.address)
        assert.deepStrictEqual(two.arrived, [
          [from, "first"],
          [from, "second"]
        ])
        assert.deepStrictEqual(one.arrived, [[from, "to itself"]])
      }).pipe(Effect.scoped)
    )

    it.live("reports each datagram that the system refuses to send, and sends those around it", () =>
      Effect.gen(function* () {
        const { arrived, refused, udp } = yield* open(local)
        const otherFamily = address(local === "[::1]:0" ? "127.0.0.1:9" : "[::1]:9")
        yield* send(udp, [
          datagram(text("a"), udp.address),
          datagram(tooLong, udp.address),
          datagram(text("bb"), otherFamily),
          datagram(text("c"), udp.address),
          datagram(tooLong, udp.address)
        ])
        yield* until("the others have come", () => arrived.length === 2)
        assert.deepStrictEqual(
          arrived.map(([, payload]) => payload),
          ["a", "c"]
        )
        assert.deepStrictEqual(
          refused.map(([bytes]) => bytes),
          [tooLong.length, 2, tooLong.length]
        )
        assert.strictEqual(refused[0]![1], "EMSGSIZE")
        assert.strictEqual(refused[2]![1], "EMSGSIZE")
      }).pipe(Effect.scoped)
    )

    it.live("has its port to itself, and frees it when its scope has closed", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { udp } = yield* Scope.provide(open(local), scope)
        const taken = yield* Effect.flip(Effect.scoped(nodeUdp.open(udp.address)))
        assert.instanceOf(taken, BindError)
        assert.strictEqual(taken.detail, "the address is in use")
        // What is under way when the scope closes is sent first.
        const other = yield* open(local)
        let done = false
        udp.send([datagram(text("last"), other.udp.address)], () => {
          done = true
        })
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(done)
        yield* Effect.scoped(nodeUdp.open(udp.address))
        yield* until("the last one has come", () => other.arrived.length === 1)
      }).pipe(Effect.scoped)
    )
  })
}

const neighbourly = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find((it) => it.family === "IPv6" && it.scopeid > 0)

describe("a UDP socket", () => {
  it.live.skipIf(neighbourly === undefined)(
    "at a link-local address hears from its neighbours by the number of its zone",
    () =>
      Effect.gen(function* () {
        const { arrived, udp } = yield* open(
          `[${neighbourly!.address}%${(neighbourly as NetworkInterfaceInfoIPv6).scopeid}]:0`
        )
        yield* send(udp, [datagram(text("to itself"), udp.address)])
        yield* until("it has come", () => arrived.length === 1)
        assert.deepStrictEqual(arrived, [[NetAddress.formatInet(udp.address), "to itself"]])
      }).pipe(Effect.scoped)
  )

  it.live("that cannot be opened says why", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(nodeUdp.open(address("203.0.113.1:0"))))
      assert.strictEqual(error.detail, "the address is not one of this machine")
      const zone = yield* Effect.flip(Effect.scoped(nodeUdp.open(address("[fe80::1%4294967295]:0"))))
      assert.strictEqual(zone.detail, "the address is not one of this machine")
    })
  )

  it.live("sends nothing to a zone that no interface has, the first time and the next", () =>
    Effect.gen(function* () {
      const { refused, udp } = yield* open("[::1]:0")
      const nowhere = address("[fe80::1%4294967295]:9")
      yield* send(udp, [datagram(text("a"), nowhere)])
      yield* send(udp, [datagram(text("bb"), nowhere), datagram(text("ccc"), udp.address)])
      assert.deepStrictEqual(refused, [
        [1, "ENODEV"],
        [2, "ENODEV"]
      ])
    }).pipe(Effect.scoped)
  )

  it.live("reports a datagram that Node did not take before the others of its batch, and each of them once", () =>
    Effect.gen(function* () {
      const { refused, udp } = yield* open("[::1]:0")
      const nowhere = address("[fe80::1%4294967295]:9")
      // As when the kernel's buffer is full: Node answers later.
      type Sent = (error: Error | null) => void
      const answers: Array<Sent> = []
      const socket = inner(udp) as unknown as {
        send: (bytes: Uint8Array, port: number, host: string, done: Sent) => void
      }
      socket.send = (_bytes, _port, _host, done) => answers.push(done)
      let done = 0
      udp.send(
        [datagram(text("a"), udp.address), datagram(text("bb"), nowhere), datagram(text("ccc"), udp.address)],
        () => {
          done += 1
        }
      )
      yield* until("one is refused", () => refused.length > 0)
      answers[0]!(null)
      assert.strictEqual(done, 0)
      answers[1]!(Object.assign(new Error("not permitted"), { code: "EPERM" }))
      assert.deepStrictEqual(refused, [
        [2, "ENODEV"],
        [3, "EPERM"]
      ])
      assert.strictEqual(done, 1)
    }).pipe(Effect.scoped)
  )

  it.live("goes on after an error in receiving, and fails after many with nothing between", () =>
    Effect.gen(function* () {
      const { arrived, failures, udp } = yield* open("127.0.0.1:0", "linux")
      const broken = new Error("recvmsg")
      for (let i = 1; i < maxReadErrors; i++) inner(udp).emit("error", broken)
      yield* send(udp, [datagram(text("between"), udp.address)])
      yield* until("the datagram has come", () => arrived.length === 1)
      for (let i = 1; i < maxReadErrors; i++) inner(udp).emit("error", broken)
      assert.deepStrictEqual(failures, [])
      inner(udp).emit("error", broken)
      inner(udp).emit("error", broken)
      assert.deepStrictEqual(failures, [broken])
      // Its port is free, and what is sent still comes back.
      yield* send(udp, [datagram(text("late"), udp.address)])
      yield* Effect.scoped(nodeUdp.open(udp.address))
    }).pipe(Effect.scoped)
  )

  it.live("fails at the first error in receiving on Windows, where nothing is received after it", () =>
    Effect.gen(function* () {
      const { failures, udp } = yield* open("127.0.0.1:0", "win32")
      const broken = new Error("recvmsg")
      inner(udp).emit("error", broken)
      assert.deepStrictEqual(failures, [broken])
      yield* Effect.scoped(nodeUdp.open(udp.address))
    }).pipe(Effect.scoped)
  )

  it.live("that is closed from outside has failed, and its scope closes all the same", () =>
    Effect.gen(function* () {
      const { failures, udp } = yield* open()
      inner(udp).close()
      yield* until("it is told", () => failures.length > 0)
      yield* send(udp, [datagram(text("late"), udp.address)])
      assert.strictEqual(failures.length, 1)
    }).pipe(Effect.scoped)
  )
})
