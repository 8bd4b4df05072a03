/**
 * Anything at all as the document of a router: an answer to an action, or the description of a device.
 */
import { assert, describe, it } from "@effect/vitest"
import { GatewayProtocolError } from "@qp2p/core/PortMapperError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as gateway from "../../../src/internal/upnp/gateway.ts"
import * as soap from "../../../src/internal/upnp/soap.ts"
import * as xml from "../../../src/internal/upnp/xml.ts"
import { fuzz, holds, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"

const action: soap.Action = { name: "GetExternalIPAddress", args: [] }
const url = new URL("http://192.168.1.1:5000/rootDesc.xml")

/** Nothing but texts, lists and plain objects, without names that mean something to JavaScript. */
const checkPlain = (document: unknown): void => {
  const open = [document]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== "object" || value === null) {
      holds(["string", "boolean"].includes(typeof value), "a value is a text")
      continue
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    holds(Array.isArray(value) || prototype === Object.prototype || prototype === null, "an object is plain")
    open.push(...Object.values(value).filter((each) => each !== undefined))
  }
}

const outcome = <A, E>(effect: Effect.Effect<A, E>) => Effect.runSync(Effect.result(effect))

const checkAnswer = (body: string, status: number): string => {
  const read = outcome(soap.read(action, { status, body, shortfall: undefined }))
  if (Result.isSuccess(read)) {
    checkPlain(read.success)
    return "an answer"
  }
  const error = read.failure
  if (error._tag === "Fault") {
    assert.isTrue(Number.isSafeInteger(error.code))
    assert.isAtMost(error.description.length, 200)
    return "a fault"
  }
  assert.instanceOf(error, soap.Unreadable)
  assert.isBelow(error.detail.length, 200)
  return "unreadable"
}

const checkDescription = (body: string): string => {
  const read = outcome(gateway.read(url, { status: 200, body, shortfall: undefined }, "1 second"))
  if (Result.isFailure(read)) {
    assert.instanceOf(read.failure, GatewayProtocolError)
    assert.isBelow(read.failure.detail.length, 300)
    return read.failure.detail.slice(0, 24)
  }
  assert.isAtMost(read.success.length, 4)
  for (const control of read.success.flat()) {
    assert.strictEqual(control.url.hostname, url.hostname, "requests go to the device alone")
    assert.strictEqual(control.url.protocol, "http:")
    // It becomes a line of a request.
    assert.match(control.service, /^urn:[^\u0000-\u0020:]+:service:WAN(?:IP|PPP)Connection(?::\d+)?$/iu)
  }
  return `${read.success.length} services`
}

const before = Object.getOwnPropertyNames(Object.prototype).join(" ")

const check = (input: Uint8Array): string => {
  const body = Buffer.from(input).toString("utf8")
  const parsed = xml.parse(body)
  if (Option.isSome(parsed)) checkPlain(parsed.value)
  const came = `${checkAnswer(body, 200)}, ${checkAnswer(body, 500)}; ${checkDescription(body)}`
  assert.strictEqual(Object.getOwnPropertyNames(Object.prototype).join(" "), before)
  return came
}

describe("fuzzing the documents of routers", () => {
  it(
    "finds that any text is an answer, a fault or unreadable, and that no description leads to another host",
    () =>
      fuzz({
        test: import.meta.url,
        format: "txt",
        tokens: [
          "<",
          ">",
          "</",
          "/>",
          "&",
          "&amp;",
          "&#0;",
          "&#x110000;",
          "&lt;",
          "<![CDATA[",
          "]]>",
          "<!--",
          "-->",
          "<!DOCTYPE a [<!ENTITY b 'c'>]>",
          "<?xml version='1.0'?>",
          "__proto__",
          "constructor",
          "<__proto__>",
          "</__proto__>",
          "hasOwnProperty",
          "<device>",
          "</device>",
          "<deviceList>",
          "</deviceList>",
          "<service>",
          "</service>",
          "<controlURL>",
          "http://192.0.2.1/",
          "//192.0.2.1/",
          "http:/\\192.0.2.1/",
          "\r\n",
          "\u0000",
          ":"
        ],
        maxLength: 8_000,
        runs: 500,
        check
      }),
    timeout
  )
})
