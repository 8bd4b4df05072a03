import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import { AcceptRates } from "../../../src/internal/socket/acceptRates.ts"
import { acceptsPerIpAndSecond, maxAcceptsPerIp, maxCountedIps } from "../../../src/internal/tunables/handshakes.ts"

const ip = "192.0.2.1"
const address = (text: string) => NetAddress.inetAddressFromStringUnsafe(`${text}:1`).address

const accept = (rates: AcceptRates, count: number, isRetried: boolean, host = ip, now = 0): void => {
  for (let i = 0; i < count; i++) rates.accepted(address(host), host, isRetried, now)
}

describe("the handshakes of one IP address", () => {
  it("need a Retry after many at once, and after that no other address does", () => {
    const rates = new AcceptRates()
    accept(rates, maxAcceptsPerIp - 1, false)
    assert.isFalse(rates.needsRetry(ip, 0))
    accept(rates, 1, false)
    assert.isTrue(rates.needsRetry(ip, 0))
    assert.isFalse(rates.needsRetry("192.0.2.2", 0))
    // Somebody else may have sent them in the name of the address, so it may still prove itself.
    assert.isFalse(rates.isExhausted(ip, 0))
  })

  it("are too many after as many with a Retry, and some more are allowed each second", () => {
    const rates = new AcceptRates()
    accept(rates, maxAcceptsPerIp, true)
    assert.isTrue(rates.isExhausted(ip, 0))
    assert.isFalse(rates.isExhausted("192.0.2.2", 0))
    accept(rates, 0, true)
    assert.isFalse(rates.isExhausted(ip, 1_000))
    accept(rates, acceptsPerIpAndSecond, true, ip, 1_000)
    assert.isTrue(rates.isExhausted(ip, 1_000))
  })

  it("are not counted on this machine", () => {
    const rates = new AcceptRates()
    accept(rates, 10 * maxAcceptsPerIp, true, "127.0.0.1")
    assert.isFalse(rates.isExhausted("127.0.0.1", 0))
  })

  it("are remembered for a bounded number of addresses", () => {
    const rates = new AcceptRates()
    accept(rates, maxAcceptsPerIp, true)
    for (let i = 0; i < maxCountedIps; i++) rates.accepted(address("192.0.2.9"), `other ${i}`, true, 0)
    assert.isFalse(rates.isExhausted(ip, 0))
  })
})
