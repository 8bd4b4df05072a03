import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as PeerAddress from "@qp2p/core/PeerAddress"
import * as Option from "effect/Option"
import * as Format from "../src/Format.ts"
import * as Progress from "../src/Progress.ts"

const address = NetAddress.inetAddressFromStringUnsafe
const utf8 = (text: string) => new TextEncoder().encode(text)

describe("Format", () => {
  it("writes sizes in decimal units, and never a thousand of one", () => {
    const sizes = [0, 999, 1_000, 999_949, 999_950, 64_000_000, 999_999_999, 3 * 10 ** 12, 10 ** 18]
    assert.deepStrictEqual(sizes.map(Format.bytes), [
      "0 B",
      "999 B",
      "1.0 kB",
      "999.9 kB",
      "1.0 MB",
      "64.0 MB",
      "1.0 GB",
      "3.0 TB",
      "1000.0 PB"
    ])
  })

  it("writes times with the digits that matter", () => {
    const spans = [0.4219, 9.999, 12.34, 500, 999.96, 1_204, 5_000, 59_999, 125_000]
    assert.deepStrictEqual(
      spans.map((millis) => Format.duration(Duration.millis(millis))),
      ["0.42 ms", "10.0 ms", "12.3 ms", "500 ms", "1.00 s", "1.20 s", "5 s", "1 min", "2 min 5 s"]
    )
  })

  it("writes rates in the units of sizes, also of what is small", () => {
    assert.strictEqual(Format.throughput(50_000_000, Duration.seconds(2)), "25.0 MB/s")
    assert.strictEqual(Format.throughput(17, Duration.millis(3)), "5.7 kB/s")
    assert.strictEqual(Format.throughput(1, Duration.seconds(3)), "0 B/s")
    assert.strictEqual(Format.took(17, Duration.millis(3)), "in 3 ms, 5.7 kB/s")
    assert.strictEqual(Format.took(0, Duration.millis(3)), "in 3 ms")
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
    assert.strictEqual(Format.message(Uint8Array.of(1, 2, 3, 4)), `[4 B, sha256 ${hash}]`)
    assert.match(Format.message(Uint8Array.of(0xff, 0xfe)), /^\[2 B, sha256 [0-9a-f]{64}\]$/u)
    assert.match(Format.message(utf8("\u001b[2J")), /^\[4 B/u)
    assert.match(Format.message(utf8("x".repeat(16 * 1024 + 1))), /^\[16.4 kB/u)
  })

  it("says why a public address can be believed", () => {
    const endpoint = {
      publicAddress: address("127.0.0.1:4433"),
      bootstrapContact: Option.some(Result.getOrThrow(PeerAddress.fromString("127.0.0.1:5000"))),
      portMapping: Option.none()
    }
    const alone = { ...endpoint, bootstrapContact: Option.none() }
    const contacts = Option.toArray(endpoint.bootstrapContact)
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
      Progress.bar("a.bin", 1_000, Option.some(4_000), second),
      "a.bin [#####...............]  25 % 1.0 kB of 4.0 kB 1.0 kB/s"
    )
    const long = Progress.bar("a".repeat(200), 5 * 10 ** 11, Option.some(10 ** 12), Duration.hours(1))
    assert.match(long, /^a{8,}\.\.\. \[#{10}\.{10}\] {2}50 % 500\.0 GB of 1\.0 TB 138\.9 MB\/s$/u)
    assert.isAtMost(long.length, 79)
    assert.include(Progress.bar("empty", 0, Option.some(0), second), "100 %")
    assert.strictEqual(Progress.bar("stdin", 5_000, Option.none(), second), "stdin 5.0 kB 5.0 kB/s")
  })

  it.each([1, 10, 20, 40, 60, 200])("draws a bar that fits into %d columns, for every name", (columns) => {
    const names = Array.from({ length: 80 }, (_, i) =>
      ["a", "漢", "🙂", "a漢"].map((each) => each.repeat(i + 1))
    ).flat()
    for (const name of names) {
      const bar = Progress.bar(name, 5_000_000, Option.some(20_000_000), Duration.seconds(1), columns)
      const wide = Array.from(bar).filter((character) => character > "\u1100").length
      assert.isAtMost(Array.from(bar).length + wide, Math.max(columns, 4), bar)
    }
  })
})
