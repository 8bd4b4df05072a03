import { assert, describe, it } from "@effect/vitest"
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto"
import * as Identity from "../src/Identity.ts"
import { InvalidArgument } from "../src/InvalidArgument.ts"
import * as PeerId from "../src/PeerId.ts"

/** Test 1 of RFC 8032, section 7.1. */
const secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
const publicKey = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

const identity = Identity.fromSecretKey(hexToBytes(secret))

/** Node's key of the same secret, by the encoding of RFC 8410. */
const nodeKey = createPrivateKey({
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(secret, "hex")]),
  format: "der",
  type: "pkcs8"
})

/** What a value looks like in a text. */
const textOf = (value: { toString(): string }): string => value.toString()

describe("an identity", () => {
  it.effect("has the public key of its secret key (RFC 8032, section 7.1)", () =>
    Effect.gen(function* () {
      const { peerId, secretKey } = yield* identity
      assert.strictEqual(bytesToHex(PeerId.toPublicKey(peerId)), publicKey)
      assert.strictEqual(bytesToHex(Redacted.value(secretKey)), secret)
      assert.strictEqual((yield* Identity.fromSecretKey(secretKey)).peerId, peerId)
    })
  )

  it.effect("is new each time", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* Identity.generate, yield* Identity.generate]
      assert.notStrictEqual(one.peerId, other.peerId)
      assert.strictEqual(Redacted.value(one.secretKey).length, 32)
      assert.strictEqual((yield* Identity.fromSecretKey(one.secretKey)).peerId, one.peerId)
    })
  )

  it.effect("signs the prefix and the message, as Node verifies and signs them", () =>
    Effect.gen(function* () {
      const { peerId, sign: signMessage } = yield* identity
      const message = utf8ToBytes("pay 100")
      const signature = yield* signMessage(message)
      const signed = Buffer.concat([Buffer.from("qp2p signed message v1\0"), message])
      assert.isTrue(verify(null, signed, createPublicKey(nodeKey), signature))
      assert.isFalse(verify(null, message, createPublicKey(nodeKey), signature))
      assert.isTrue(yield* PeerId.verify(peerId, message, sign(null, signed, nodeKey)))
      assert.isFalse(yield* PeerId.verify(peerId, message, sign(null, message, nodeKey)))
    })
  )

  it.effect("makes signatures that hold for its id and its message only", () =>
    Effect.gen(function* () {
      const one = yield* Identity.generate
      const other = yield* Identity.generate
      const message = utf8ToBytes("pay 100")
      const signature = yield* one.sign(message)
      assert.strictEqual(signature.length, 64)
      assert.isTrue(yield* PeerId.verify(one.peerId, message, signature))
      assert.isFalse(yield* PeerId.verify(other.peerId, message, signature))
      assert.isFalse(yield* PeerId.verify(one.peerId, utf8ToBytes("pay 100000"), signature))
      for (const i of [0, 31, 32, 63]) {
        const changed = Uint8Array.from(signature)
        changed[i]! ^= 1
        assert.isFalse(yield* PeerId.verify(one.peerId, message, changed))
      }
    })
  )

  it.effect("signs and verifies what the arguments were when they were passed", () =>
    Effect.gen(function* () {
      const { peerId, sign: signMessage } = yield* identity
      const message = utf8ToBytes("pay 100")
      const signing = yield* Effect.forkChild(signMessage(message), { startImmediately: true })
      message[0] = 0
      const signature = yield* Fiber.join(signing)
      assert.isTrue(yield* PeerId.verify(peerId, utf8ToBytes("pay 100"), signature))
    })
  )

  it.effect("does not change when the bytes of its secret key do", () =>
    Effect.gen(function* () {
      const bytes = hexToBytes(secret)
      const { secretKey, sign: signMessage, peerId } = yield* Identity.fromSecretKey(bytes)
      bytes.fill(0)
      assert.strictEqual(bytesToHex(Redacted.value(secretKey)), secret)
      assert.isTrue(yield* PeerId.verify(peerId, bytes, yield* signMessage(bytes)))
    })
  )

  it.effect("shows its id and never its secret key", () =>
    Effect.gen(function* () {
      const one = yield* identity
      const shown = [
        textOf(one),
        JSON.stringify(one),
        inspect(one, { depth: 9, showHidden: true }),
        textOf(one.secretKey)
      ]
      const digits = [...hexToBytes(secret)].join(",")
      for (const text of shown) {
        assert.notInclude(text.replace(/\s/gu, ""), secret)
        assert.notInclude(text.replace(/\s/gu, ""), digits.slice(0, 20))
      }
      assert.include(textOf(one), one.peerId)
    })
  )
})

describe("a secret key that is none", () => {
  it.effect("as it was wiped is an IdentityError", () =>
    Effect.gen(function* () {
      const secretKey = Redacted.make(hexToBytes(secret))
      Redacted.wipeUnsafe(secretKey)
      const error = yield* Effect.flip(Identity.fromSecretKey(secretKey))
      assert.deepStrictEqual(error, new Identity.IdentityError({ detail: "the secret key was wiped" }))
    })
  )

  const wrong: ReadonlyArray<unknown> = [
    new Uint8Array(31),
    new Uint8Array(64),
    new Uint8Array(0),
    "x",
    null,
    undefined,
    [1],
    {}
  ]
  for (const value of wrong) {
    it.effect(`such as ${inspect(value).slice(0, 20)} is an IdentityError`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Identity.fromSecretKey(value as never))
        assert.instanceOf(error, Identity.IdentityError)
        assert.instanceOf(
          yield* Effect.flip(Identity.fromSecretKey(Redacted.make(value) as never)),
          Identity.IdentityError
        )
      })
    )
  }

  it.effect("is not shown in the error", () =>
    Effect.gen(function* () {
      for (const value of [secret, hexToBytes(`${secret}00`)]) {
        const error = yield* Effect.flip(Identity.fromSecretKey(value as never))
        assert.notInclude(inspect(error, { depth: 9 }), secret.slice(0, 8))
        assert.notInclude(inspect(error, { depth: 9 }), "157, 97")
      }
    })
  )

  it.effect("and a message that is none are errors of callers without types", () =>
    Effect.gen(function* () {
      const { sign: signMessage } = yield* identity
      for (const message of ["text", null, undefined, [1]]) {
        const failed = signMessage(message as never) as Effect.Effect<Uint8Array, unknown>
        assert.instanceOf(yield* Effect.flip(failed), InvalidArgument)
      }
    })
  )
})

describe("an identity from Config", () => {
  const read = (text: string) =>
    Effect.provideService(
      Effect.gen(function* () {
        return yield* Identity.config("KEY")
      }),
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env: { KEY: text } })
    )
  const base64 = Buffer.from(secret, "hex").toString("base64")
  const accepted = [
    secret,
    secret.toUpperCase(),
    base64,
    base64.replace(/=+$/u, ""),
    Buffer.from(secret, "hex").toString("base64url"),
    ` ${base64}\n`
  ]
  for (const text of accepted) {
    it.effect(`is read from ${JSON.stringify(text.slice(0, 8))}… (${text.length} characters)`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* read(text)).peerId, (yield* identity).peerId)
      })
    )
  }

  for (const text of [
    "",
    "x",
    secret.slice(2),
    `${secret}00`,
    base64.slice(4),
    "a secret of my own, which is not to be shown"
  ]) {
    it.effect(`is refused without being shown: ${text.length} characters`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read(text))
        assert.instanceOf(error, Config.ConfigError)
        assert.match(error.message, text === "" ? /./u : /secret key of 32 bytes/u)
        if (text.length > 3) assert.notInclude(inspect(error, { depth: 9 }), text)
      })
    )
  }
})
