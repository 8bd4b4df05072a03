/**
 * The secret key of an endpoint is printed nowhere: not in what is logged, in errors, in traces, nor where a value is inspected.
 */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as Identity from "@qp2p/core/Identity"
import * as PeerId from "@qp2p/core/PeerId"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import * as certificate from "../src/internal/binding/certificate.ts"
import { encodePem } from "../src/internal/identity/pem.ts"
import { encodePkcs8 } from "../src/internal/identity/pkcs8.ts"
import { resetKeyOf } from "../src/internal/packets/resetToken.ts"
import * as NodeIdentity from "../src/NodeIdentity.ts"
import { bytes } from "../../core/test/support/values.ts"
import { type layer, onLoopback } from "./support/quicEndpoints.ts"
import { bind, connected } from "./support/quicSockets.ts"
import { printed, reaches, shownSecret } from "./support/secretForms.ts"
import { freePort } from "./support/udpPeers.ts"

const secret = Uint8Array.from({ length: 32 }, (_, i) => (37 * i + 101) & 0xff)

const identity = Identity.fromSecretKey(secret)

/** Everything that gives the key away: the key itself, and what is derived from it. */
const secrets = Effect.gen(function* () {
  const resetKey = yield* resetKeyOf(yield* identity)
  return [secret, Redacted.value(resetKey)]
})

const assertHides = (what: string, texts: ReadonlyArray<string>, all: ReadonlyArray<Uint8Array>): void => {
  for (const text of texts) {
    for (const each of all) assert.isUndefined(shownSecret(text, each), `${what}: ${text.slice(0, 2_000)}`)
  }
}

describe("the search for a secret", () => {
  it("finds it however it is printed", () => {
    const pem = encodePem(encodePkcs8(secret))
    const values = [
      secret,
      Buffer.from(secret),
      { deep: { down: [secret] } },
      [...secret],
      pem,
      Buffer.from(pem).toString()
    ]
    for (const value of values) {
      assert.isTrue(printed(value).some((text) => shownSecret(text, secret) !== undefined))
    }
    for (const value of [...values.slice(0, 3), new Map([[1, { key: pem }]]), Object.create({ key: { secret } })]) {
      assert.isTrue(reaches({ deep: { value } }, secret))
    }
    for (const encoding of ["hex", "base64", "base64url", "latin1"] as const) {
      const text = Buffer.from(secret).toString(encoding)
      assert.isDefined(shownSecret(`a key: ${text}!`, secret), encoding)
      // The middle of it, at another alignment.
      if (encoding !== "latin1") assert.isDefined(shownSecret(text.slice(8, 38), secret), encoding)
    }
    assert.isDefined(shownSecret(Buffer.from(secret).toString("hex").toUpperCase(), secret))
    assert.isDefined(shownSecret(JSON.stringify(secret), secret))
    assert.isDefined(shownSecret(`<Buffer ${Buffer.from(secret).toString("hex").replaceAll(/../gu, "$& ")}>`, secret))
    assert.isUndefined(shownSecret(Buffer.from(secret.toReversed()).toString("hex"), secret))
  })
})

describe("the secret key of an endpoint", () => {
  it.live("is shown by nothing that has it", () =>
    Effect.gen(function* () {
      const own = yield* identity
      const options = { identity: own, localAddress: "127.0.0.1:0" }
      const self = yield* Endpoint.make(options)
      const other = yield* Endpoint.make({ localAddress: `127.0.0.1:${yield* freePort}` })
      const connection = yield* self.connectTo(other.localAddress)
      const socket = yield* bind({ identity: own })
      const peer = yield* bind()
      const near = yield* connected(socket.dial(peer.socket.address))
      const values: Record<string, unknown> = {
        identity: own,
        "the secret key": own.secretKey,
        options,
        "a layer": Endpoint.layer(options),
        "an effect": Identity.fromSecretKey(Redacted.make(secret)),
        credentials: yield* certificate.selfSigned(own),
        "the key of reset tokens": yield* resetKeyOf(own)
      }
      /** These print as long texts, and of what is deep in them nothing. */
      const large: Record<string, unknown> = {
        endpoint: self,
        connection,
        "the socket of the transport": socket.socket,
        "its connection": near.connection
      }
      const all = yield* secrets
      for (const [name, value] of Object.entries({ ...values, ...large })) {
        for (const each of all) assert.isFalse(reaches(value, each), name)
        assertHides(name, [inspect(value)], all)
      }
      for (const [name, value] of Object.entries(values)) {
        assertHides(name, [...printed(value), Inspectable.toStringUnknown(value)], all)
      }
    }).pipe(onLoopback)
  )

  it.live("is in no log, at any level and in any format, nor in a trace", () =>
    Effect.gen(function* () {
      const own = yield* identity
      const lines: Array<string> = []
      const spans: Array<unknown> = []
      const write = (line: unknown) => void lines.push(...printed(line), typeof line === "string" ? line : "")
      const loggers = Logger.layer([
        Logger.map(Logger.formatSimple, write),
        Logger.map(Logger.formatLogFmt, write),
        Logger.map(Logger.formatStructured, write),
        Logger.map(Logger.formatJson, write),
        Logger.make(({ cause, message }) => {
          write(message)
          write(cause)
        })
      ])
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.gen(function* () {
        const self = yield* Endpoint.make({ identity: own, localAddress: `127.0.0.1:${yield* freePort}` })
        const other = yield* Endpoint.make({ localAddress: `127.0.0.1:${yield* freePort}` })
        yield* self.sendMessage(bytes("hello"), other.localAddress)
        yield* Effect.exit(self.connectTo(`${other.peerId}@127.0.0.1:${self.localAddress.port}`))
        // What an application may write.
        yield* Effect.logInfo(own, { own }, [own.secretKey], self)
        yield* Effect.logError("it has failed", Cause.die({ own, self }))
        yield* Effect.annotateLogs(Effect.logDebug("annotated"), { own, key: own.secretKey })
        yield* Effect.annotateCurrentSpan({ own, key: own.secretKey })
        yield* self.close
      }).pipe(
        Effect.withSpan("application", { attributes: { own } }),
        Effect.scoped,
        Effect.provide(loggers),
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      const all = yield* secrets
      assert.isAbove(lines.length, 20)
      assert.isAbove(spans.length, 0)
      assertHides("logs", lines, all)
      assertHides("spans", spans.flatMap(printed), all)
    }).pipe(onLoopback)
  )

  it.live("is in no error", () =>
    Effect.gen(function* () {
      const own = yield* identity
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "qp2p-secrets-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const pem = encodePem(encodePkcs8(secret))
      const write = (name: string, text: string, mode = 0o600) => {
        writeFileSync(join(directory, name), text, { mode })
        return join(directory, name)
      }
      const hex = Buffer.from(secret).toString("hex")
      const fromConfig = (text: string) =>
        Effect.provideService(
          Effect.suspend(() => Identity.config("KEY")),
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromUnknown({ KEY: text })
        )
      const taken = yield* Endpoint.make({ localAddress: `127.0.0.1:${yield* freePort}`, identity: own })
      const wiped = Redacted.make(secret.slice())
      Redacted.wipeUnsafe(wiped)
      const start = (identity: unknown, localAddress = "127.0.0.1:0") =>
        Endpoint.make({ localAddress, identity: identity as Identity.Identity })
      const failures: Record<string, Effect.Effect<unknown, unknown, Layer.Success<typeof layer> | Scope.Scope>> = {
        "too short": Identity.fromSecretKey(secret.subarray(0, 31)),
        "too long": Identity.fromSecretKey(Buffer.concat([secret, secret])),
        text: Identity.fromSecretKey(hex as never),
        numbers: Identity.fromSecretKey([...secret] as never),
        "redacted text": Identity.fromSecretKey(Redacted.make(pem) as never),
        wiped: Identity.fromSecretKey(wiped),
        "config, too short": fromConfig(hex.slice(2)),
        "config, too long": fromConfig(`${hex}00`),
        "config, other text": fromConfig(pem),
        "a file for a path": NodeIdentity.fromFile(pem),
        "a damaged file": NodeIdentity.fromFile(write("damaged", pem.replace("MC4", "MC5"))),
        "a cut file": NodeIdentity.fromFile(write("cut", pem.slice(0, -30))),
        "a file of hex": NodeIdentity.fromFile(write("hex", hex)),
        "a file for all": NodeIdentity.fromFile(write("open", pem, 0o644)),
        "an endpoint with bytes": start(secret),
        "an endpoint with text": start(pem),
        "an endpoint with the key of another": start({
          ...own,
          peerId: PeerId.PeerId.make(taken.peerId.replace(/^./u, (c) => (c === "a" ? "b" : "a")))
        }),
        "an endpoint with text as a key": start({ ...own, secretKey: Redacted.make(pem) }),
        "an endpoint with a short key": start({ ...own, secretKey: Redacted.make(secret.subarray(1)) }),
        "an endpoint whose key was wiped": start({ ...own, secretKey: wiped }),
        "an endpoint at a port that is taken": start(own, String(taken.localAddress)),
        "a wrong option": Endpoint.make({ localAddress: "127.0.0.1:0", identity: own, identty: own } as never)
      }
      const all = yield* secrets
      for (const [name, effect] of Object.entries(failures)) {
        const exit = yield* Effect.exit(Effect.withSpan(effect, "failing"))
        assert.isTrue(Exit.isFailure(exit), name)
        if (!Exit.isFailure(exit)) continue
        const error = Cause.squash(exit.cause)
        assert.isTrue(Cause.hasFails(exit.cause), `${name}: ${String(error)}`)
        assertHides(name, [...printed(exit), ...printed(error), Cause.pretty(exit.cause)], all)
      }
    }).pipe(onLoopback)
  )
})
