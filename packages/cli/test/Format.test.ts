import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Format from "../src/Format.ts"
import * as Progress from "../src/Progress.ts"

const address = NetAddress.inetAddressFromStringUnsafe
const utf8 = (text: string) => new TextEncoder().encode(text)

describe("Format", () => {
  it("writes sizes in binary units", () => {
    assert.deepStrictEqual([0, 1023, 1024, 64 * 2 ** 20, 3 * 2 ** 40].map(Format.bytes), [
      "0 B",
      "1023 B",
      "1.0 KiB",
      "64.0 MiB",
      "3.0 TiB"
    ])
  })

  it("writes times with the digits that matter", () => {
    const spans = [0.4219, 12.34, 1_204, 125_000].map((millis) => Format.duration(Duration.millis(millis)))
    assert.deepStrictEqual(spans, ["0.42 ms", "12.3 ms", "1.20 s", "2 min 5 s"])
  })

  it("writes throughput in decimal megabytes", () => {
    assert.strictEqual(Format.throughput(50_000_000, Duration.seconds(2)), "25.0 MB/s")
  })

  it("shows text", () => {
    assert.strictEqual(Format.message(utf8("grüße 🙂")), "grüße 🙂")
  })

  it("keeps a message on its line", () => {
    assert.strictEqual(Format.message(utf8("a\n127.0.0.1:1 disconnected\tx\r")), "a\\n127.0.0.1:1 disconnected\\tx\\r")
    assert.strictEqual(Format.message(utf8("a\u2028b\u202ec\u009bd")), "a\\u2028b\\u202ec\\u009bd")
  })

  it("names binary by length and hash", () => {
    const hash = "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a"
    assert.strictEqual(Format.message(Uint8Array.of(1, 2, 3, 4)), `[4 bytes, sha256 ${hash}]`)
    assert.match(Format.message(Uint8Array.of(0xff, 0xfe)), /^\[2 bytes, sha256 [0-9a-f]{64}\]$/u)
    assert.match(Format.message(utf8("\u001b[2J")), /^\[4 bytes/u)
    assert.match(Format.message(utf8("x".repeat(16 * 1024 + 1))), /^\[16385 bytes/u)
  })

  it("says why a public address can be believed", () => {
    const endpoint = {
      publicAddress: address("127.0.0.1:4433"),
      bootstrapContact: Option.some(address("127.0.0.1:5000")),
      portMapping: Option.none()
    }
    const alone = { ...endpoint, bootstrapContact: Option.none() }
    const contacts = [address("127.0.0.1:5000")]
    assert.strictEqual(
      Format.publicAddress(endpoint, { contacts, external: false }),
      "public 127.0.0.1:4433 (verified by 127.0.0.1:5000)"
    )
    assert.strictEqual(
      Format.publicAddress(alone, { contacts: [], external: false }),
      "public 127.0.0.1:4433 (not verified: no contact given)"
    )
    assert.strictEqual(
      Format.publicAddress(alone, { contacts, external: true }),
      "public 127.0.0.1:4433 (set by you, not verified: no contact answered)"
    )
    const mapped = { ...endpoint, portMapping: Option.some("a mapping") }
    assert.strictEqual(
      Format.publicAddress(mapped, { contacts, external: false }),
      "public 127.0.0.1:4433 (mapped, verified by 127.0.0.1:5000)"
    )
    assert.strictEqual(
      Format.publicAddress(mapped, { contacts, external: true }),
      "public 127.0.0.1:4433 (set by you, verified by 127.0.0.1:5000)"
    )
  })

  it("draws a bar", () => {
    const second = Duration.seconds(1)
    assert.strictEqual(
      Progress.bar("a.bin", 1024, 4096, second),
      "a.bin [#####...............]  25 % 1.0 KiB of 4.0 KiB 0.0 MB/s"
    )
    const long = Progress.bar("a".repeat(200), 2 ** 39, 2 ** 40, Duration.hours(1))
    assert.match(long, /^a{8,}\.\.\. \[#{10}\.{10}\] {2}50 % 512\.0 GiB of 1\.0 TiB 152\.7 MB\/s$/u)
    assert.isAtMost(long.length, 79)
    assert.include(Progress.bar("empty", 0, 0, second), "100 %")
  })
})
