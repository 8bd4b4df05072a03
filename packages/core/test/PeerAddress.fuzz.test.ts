/**
 * Any text at all as a peer or as a list of peers: it is refused in a few words, or is a peer whose text is read again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidAddress } from "../src/ConnectionError.ts"
import * as PeerAddress from "../src/PeerAddress.ts"
import * as PeerId from "../src/PeerId.ts"
import { fuzz, timeout } from "./support/fuzz/fuzz.ts"

const decodeId = Schema.decodeUnknownResult(PeerId.PeerId)

/** The words of reasons: what comes from the input is left out. */
const words = new Set(
  (
    "the port is no number more than begins with missing there white space it empty leave away an id address host name " +
    "addresses comma characters letters digits lower case last small order brackets zone colons closing bracket root"
  ).split(" ")
)

const checkRefusal = (error: InvalidAddress, input: string): string => {
  assert.instanceOf(error, InvalidAddress)
  assert.isBelow(error.detail.length, 1_000, "the reason is short")
  assert.isAtMost(error.input.length, Math.max(PeerAddress.maxLength, 100), "what is repeated is bounded")
  assert.isAtMost(error.input.length, input.length + 1, "and comes from the input")
  const reason = error.detail.slice(PeerAddress.expected.length)
  return reason
    .split(" ")
    .filter((word) => words.has(word))
    .slice(0, 8)
    .join(" ")
}

const checkPeer = (peer: PeerAddress.PeerAddress): string => {
  const text = String(peer)
  const hasId = Option.isSome(peer.peerId)
  assert.isBelow(text.length, PeerAddress.maxLength)
  assert.isAtMost(peer.addresses.length, hasId ? PeerAddress.maxAddresses : 1)
  if (!hasId) assert.strictEqual(peer.addresses.length, 1)
  for (const { port } of peer.addresses) assert.isTrue(Number.isInteger(port) && port > 0 && port < 65_536)
  assert.isTrue(/^[\u0021-\u007e]+$/u.test(text), `nothing but printable ASCII: ${text}`)
  const again = PeerAddress.fromString(text)
  assert.isTrue(Result.isSuccess(again), `${text} is read again`)
  const second = Result.getOrThrow(again)
  assert.strictEqual(String(second), text, "a peer has one text")
  assert.isTrue(Equal.equals(second, peer))
  if (hasId) {
    const id = Option.getOrThrow(peer.peerId)
    assert.isTrue(text.startsWith(id), "the id stands first")
    assert.strictEqual(PeerId.fromPublicKey(PeerId.toPublicKey(id)), id)
  }
  for (const address of peer.addresses) PeerAddress.toInetAddress(address)
  return `${hasId ? "an id" : "no id"}, ${Math.min(peer.addresses.length, 3)} addresses`
}

const check = (input: Uint8Array): string => {
  const text = Buffer.from(input).toString("utf8")
  const id = decodeId(text)
  // One spelling, and no other.
  if (Result.isSuccess(id)) assert.strictEqual(PeerId.fromPublicKey(PeerId.toPublicKey(id.success)), text)
  const peer = PeerAddress.fromString(text)
  const single = Result.isSuccess(peer) ? checkPeer(peer.success) : checkRefusal(peer.failure, text)
  const list = PeerAddress.listFromString(text)
  let several: string
  if (Result.isSuccess(list)) {
    assert.isAtMost(list.success.length, PeerAddress.maxPeers)
    for (const each of list.success) checkPeer(each)
    const joined = list.success.join(" ")
    assert.strictEqual(Result.getOrThrow(PeerAddress.listFromString(joined)).join(" "), joined)
    several = `${Math.min(list.success.length, 3)} peers`
  } else several = checkRefusal(list.failure, text)
  if (Result.isSuccess(peer)) assert.strictEqual(Result.getOrThrow(list).join(" "), String(peer.success))
  return `${single}; ${several}`
}

describe("fuzzing the text of peers", () => {
  it(
    "finds that any text is refused in a few words, or is a peer that has one text",
    () =>
      fuzz({
        test: import.meta.url,
        format: "txt",
        tokens: [
          "@",
          ",",
          ":",
          "[",
          "]",
          "%",
          "%1",
          " ",
          "\t",
          "\u00a0",
          "\u3000",
          "\u200b",
          "\u00ad",
          "\uff0e",
          "\uff20",
          "\uff1a",
          "\u3002",
          "xn--",
          "ß",
          "İ",
          "K",
          "::ffff:",
          "::1",
          "0x7f",
          "0177",
          "127.0.0.1",
          "1.2.3",
          ":0",
          ":65535",
          ":65536",
          ":+1",
          ":01",
          "://",
          "..",
          "localhost",
          "%25eth0",
          "\u0000",
          "\ufeff"
        ],
        maxLength: 6_000,
        runs: 4_000,
        check
      }),
    timeout
  )
})
