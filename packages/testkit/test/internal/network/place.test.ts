import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { isAt, nameFrom, placeAt, placeOf } from "../../../src/internal/network/place.ts"

const address = NetAddress.inetAddressFromStringUnsafe

describe("place", () => {
  it("is known by its socket and by its host", () => {
    const place = placeOf(address("[2001:db8::1]:4433"))
    assert.deepStrictEqual([place.key, place.host], ["[2001:db8::1]:4433", "2001:db8::1"])
    assert.deepStrictEqual(placeAt(NetAddress.ipFromStringUnsafe("10.0.0.1"), 1), placeOf(address("10.0.0.1:1")))
  })

  it("is the loopback address of its family, where the address is every one of a host", () => {
    assert.strictEqual(placeOf(address("0.0.0.0:1")).key, "127.0.0.1:1")
    assert.strictEqual(placeOf(address("[::]:1")).key, "[::1]:1")
  })

  it("has names that are a socket's or a host's, however they are written", () => {
    const names = {
      "10.0.0.1:4433": "10.0.0.1:4433",
      "10.0.0.1": "10.0.0.1",
      "[2001:DB8:0::1]:4433": "[2001:db8::1]:4433",
      "2001:DB8:0::1": "2001:db8::1",
      "0.0.0.0:1": "127.0.0.1:1"
    }
    for (const [input, name] of Object.entries(names)) assert.deepStrictEqual(nameFrom(input), Result.succeed(name))
    assert.deepStrictEqual(nameFrom(address("10.0.0.1:1")), Result.succeed("10.0.0.1:1"))
    assert.deepStrictEqual(nameFrom(NetAddress.ipFromStringUnsafe("10.0.0.1")), Result.succeed("10.0.0.1"))
    for (const wrong of ["", "nowhere", "10.0.0.256", "10.0.0.1:65536", "10.0.0.1:"]) {
      assert.isTrue(Result.isFailure(nameFrom(wrong)), wrong)
    }
  })

  it("is at its socket's name and at its host's", () => {
    const place = placeOf(address("10.0.0.11:12"))
    const names = ["10.0.0.11:12", "10.0.0.11", "10.0.0.11:1", "10.0.0.1", "10.0.0.11:122"]
    assert.deepStrictEqual(
      names.map((name) => isAt(place, name)),
      [true, true, false, false, false]
    )
  })
})
