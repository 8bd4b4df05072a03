/**
 * Anything at all as a datagram that answers a search: it names no host but the one it names, and the one it came from.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as locations from "../../../src/internal/upnp/locations.ts"
import { type Found, listen } from "../../../src/internal/upnp/ssdp.ts"
import { fuzz, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"

const responder = "192.168.1.1"

type Ssdp = Parameters<typeof listen>[0]

/** What a search hears of a datagram. */
const heard = (text: string): ReadonlyArray<Found> => {
  const found: Array<Found> = []
  const ssdp = { setMaxListeners: () => {}, parseResponse: () => {} } as unknown as Ssdp
  const stop = listen(ssdp, (answer) => found.push(answer))
  ssdp.parseResponse(text, "192.168.1.2", { address: responder, port: 1900, family: "IPv4", size: text.length })
  stop()
  ssdp.parseResponse(text, "192.168.1.2", { address: responder, port: 1900, family: "IPv4", size: text.length })
  return found
}

const check = (input: Uint8Array): string => {
  const text = Buffer.from(input).toString("utf8")
  const found = heard(text)
  assert.isAtMost(found.length, 1)
  const [answer] = found
  if (answer === undefined) return "no answer"
  assert.isNotEmpty(answer.location)
  assert.isTrue(text.includes(answer.location), "a location is a part of the datagram")
  assert.isAtMost(answer.location.length, 2_048)
  assert.strictEqual(answer.responder, responder)
  const urls = Effect.runSync(Effect.result(locations.of(answer)))
  if (Result.isFailure(urls)) {
    assert.isBelow(urls.failure.detail.length, 300)
    return `no URL, ${answer.isUnidentified ? "unidentified" : "a gateway"}`
  }
  const [first] = urls.success
  assert.isAtMost(urls.success.length, 2)
  for (const url of urls.success) {
    assert.strictEqual(url.protocol, "http:")
    // It becomes a line of a request.
    assert.match(`${url.pathname}${url.search}`, /^[\u0021-\u007e]+$/u)
    const controls = locations.controlUrls(answer.location, url, answer.location)
    if (Result.isFailure(controls)) continue
    for (const control of controls.success) assert.strictEqual(control.hostname, url.hostname)
  }
  return `${first.hostname === responder ? "there" : "elsewhere"}, ${urls.success.length} URLs, ${
    answer.isUnidentified ? "unidentified" : "a gateway"
  }`
}

describe("fuzzing answers to searches", () => {
  it(
    "finds that any datagram is no answer, or names http URLs and no third host",
    () =>
      fuzz({
        test: import.meta.url,
        format: "txt",
        tokens: [
          "HTTP/1.1 200 OK\r\n",
          "NOTIFY * HTTP/1.1\r\n",
          "LOCATION: ",
          "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n",
          "NTS: ssdp:byebye\r\n",
          "http://",
          "https://",
          "//",
          "\\",
          "@",
          "[::1]",
          "127.0.0.1",
          "0x7f.1",
          "%00",
          ":0",
          ":99999",
          "\r\n",
          "\n",
          "\u00a0",
          "\u2028"
        ],
        maxLength: 3_000,
        runs: 2_000,
        check
      }),
    timeout
  )
})
