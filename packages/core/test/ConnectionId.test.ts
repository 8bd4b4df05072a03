import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { ConnectionId, fromAddress } from "../src/ConnectionId.ts"
import { address, bytes } from "./support/values.ts"
import { onNetwork, pair, settle } from "./support/memoryEndpoints.ts"

describe("fromAddress", () => {
  // Computed with Python's hashlib.sha3_256 over the packed address and the port.
  const vectors = {
    "127.0.0.1:8080": "7c5814247fd160bc26e15bfec1e6bdb3948a8f040dc57808800bfd57400be335",
    "0.0.0.0:0": "c1545e05e6777d834652396ad104e7e971a78d084a9b9df34f7a16fd493bf2b0",
    "255.255.255.255:65535": "92abed43b5c07fbad2cf32971e38f6d7fcee90b5a3a8133d4272c4bf2ebc4ab8",
    "192.0.2.1:258": "ea41ca73d21c1c421d391aee9b2be7a6d012d35119408a25d474b3fe445080bb",
    "[::1]:4433": "25fc334d499da1f5972cdb40efc1bfefa04d1113c9f81d7aeda3136601a93f34",
    "[2001:db8:1:2:3:4:5:fffe]:258": "740d3c1c3c00434ecf96a14187a835122e73f6f68a13d8d98eb3020695588592"
  }
  for (const [peer, expected] of Object.entries(vectors)) {
    it(`of ${peer} is the SHA3-256 of its octets and its port`, () => {
      assert.strictEqual(fromAddress(address(peer)), expected)
    })
  }

  it("does not depend on how the address was written", () => {
    assert.strictEqual(fromAddress(address("[::1]:1")), fromAddress(address("[0:0:0:0:0:0:0:1]:1")))
  })

  it("differs by port and by IP", () => {
    const ids = ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "[::10.0.0.1]:1"].map((peer) => fromAddress(address(peer)))
    assert.strictEqual(new Set(ids).size, ids.length)
  })
})

describe("the generator that an endpoint uses", () => {
  it.effect("is fromAddress by default", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      assert.strictEqual((yield* one.connectTo("10.0.0.2:2")).id, fromAddress(address("10.0.0.2:2")))
      assert.strictEqual((yield* two.nextConnection).id, fromAddress(address("10.0.0.1:1")))
    }).pipe(onNetwork)
  )

  it.effect("is the one that is provided, asked once for each connection", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const named = (peer: NetAddress.InetAddress) => {
        asked.push(String(peer))
        return `peer on port ${peer.port}` as ConnectionId
      }
      const [one, two] = yield* Effect.provideService(pair(), ConnectionId, named)
      const connection = yield* one.connectTo("10.0.0.2:2")
      yield* settle
      assert.strictEqual(connection.id, "peer on port 2")
      assert.deepStrictEqual(yield* one.connectionId("10.0.0.2:2"), Option.some(connection.id))
      const found = yield* one.addressOf("peer on port 2" as ConnectionId)
      assert.deepStrictEqual(Option.map(found, NetAddress.formatInet), Option.some("10.0.0.2:2"))
      for (let i = 0; i < 3; i++) yield* one.sendMessage(bytes("x"), "10.0.0.2:2")
      assert.strictEqual((yield* two.nextMessage).connectionId, "peer on port 1")
      assert.deepStrictEqual(asked, ["10.0.0.2:2", "10.0.0.1:1"])
    }).pipe(onNetwork)
  )
})
