// @module-tag platform
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Endpoint from "@qp2p/core/Endpoint"
import { bytes } from "../../core/test/support/values.ts"
import { endpoint, onLoopback } from "./support/quicEndpoints.ts"
import { freePort } from "./support/udpPeers.ts"

// The package as it is installed: these scripts need a build.
const run = (script: string, args: ReadonlyArray<string> = [], flags: ReadonlyArray<string> = []) =>
  Effect.callback<{ readonly code: unknown; readonly signal: unknown; readonly lines: ReadonlyArray<string> }>(
    (resume) => {
      const file = fileURLToPath(new URL(`programs/${script}`, import.meta.url))
      const child = execFile(
        process.execPath,
        [...flags, file, ...args],
        { timeout: 150_000 },
        (error, stdout, stderr) => {
          const lines = (stdout + stderr).split("\n").filter((line) => line !== "")
          resume(Effect.succeed({ code: error?.code ?? 0, signal: error?.signal ?? null, lines }))
        }
      )
      return Effect.sync(() => void child.kill())
    }
  )

describe("programs on one machine", () => {
  const four = (args: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("workers.mjs", args), {
        code: 0,
        signal: null,
        lines: [
          "one listens",
          "cannot listen on ADDRESS: the address is in use",
          "three and four have a port each",
          "one received hello",
          "three received hello",
          "all have ended"
        ]
      })
    })

  it.live(
    "as workers of node:cluster share no port, reach each other, and end when they are told",
    () => four([]),
    180_000
  )

  it.live("as threads share no port, reach each other, and end when they are told", () => four(["threads"]), 180_000)

  it.live(
    "as threads that are asked to end in the middle of their work end by themselves, and leave the process alone",
    () =>
      Effect.gen(function* () {
        const lines = Array.from({ length: 4 }, () => "ended with 0")
        assert.deepStrictEqual(yield* run("busyThread.mjs"), { code: 0, signal: null, lines })
      }),
    180_000
  )

  const inUse = (localAddress: string) =>
    Effect.map(Effect.result(endpoint({}, [], localAddress)), (started) =>
      Result.isFailure(started) ? started.failure.message : undefined
    )

  it.live("cannot listen where another listens, by any form of the address", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* endpoint({}, [], `127.0.0.1:${port}`)
      for (const local of ["127.0.0.1", "0.0.0.0"]) {
        assert.match((yield* Effect.scoped(inUse(`${local}:${port}`))) ?? "", /the address is in use$/, local)
      }
      const other = yield* freePort
      yield* endpoint({}, [], `[::]:${other}`)
      for (const local of ["[::]", "[::1]"]) {
        assert.match((yield* Effect.scoped(inUse(`${local}:${other}`))) ?? "", /the address is in use$/, local)
      }
    }).pipe(onLoopback)
  )

  it.live("may have a port for IPv4 and another the same one for IPv6: each gets what is sent to its address", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const four = yield* endpoint({}, [], `0.0.0.0:${port}`)
      const six = yield* endpoint({}, [], `[::]:${port}`)
      const sender = yield* endpoint({}, [], "127.0.0.1:0")
      const sender6 = yield* endpoint({}, [], "[::1]:0")
      yield* sender.sendMessage(bytes("over IPv4"), `127.0.0.1:${port}`)
      yield* sender6.sendMessage(bytes("over IPv6"), `[::1]:${port}`)
      assert.strictEqual(Buffer.from((yield* four.nextMessage).payload).toString(), "over IPv4")
      assert.strictEqual(Buffer.from((yield* six.nextMessage).payload).toString(), "over IPv6")
    }).pipe(onLoopback)
  )
})

describe("a program that is loaded anew", () => {
  it.live(
    "24 times on one port in one process has it each time, is found by its peer, and leaves nothing behind",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run("reload.mjs", [], ["--expose-gc"]), {
          code: 0,
          signal: null,
          lines: ["one socket is left each time", "memory is flat", "left"]
        })
      }),
    180_000
  )

  it.live("beside the copy that is still running works with it, and goes without it", () =>
    Effect.gen(function* () {
      const one = yield* endpoint({}, [], "127.0.0.1:0")
      vi.resetModules()
      const copy = yield* Effect.promise(() => import("@qp2p/core/Endpoint"))
      const node = yield* Effect.promise(() => import("@qp2p/node/NodeEndpoint"))
      assert.notStrictEqual(copy.make, Endpoint.make)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const layer = node.layer({ localAddress: "127.0.0.1:0", config: { forwardPort: false } })
          yield* Effect.gen(function* () {
            const two = yield* copy.Endpoint
            yield* two.sendMessage(bytes("from the copy"), String(one.localAddress))
            yield* one.sendMessage(bytes("to the copy"), String(two.localAddress))
            assert.strictEqual(Buffer.from((yield* two.nextMessage).payload).toString(), "to the copy")
          }).pipe(Effect.provide(layer))
        })
      )
      assert.strictEqual(Buffer.from((yield* one.nextMessage).payload).toString(), "from the copy")
      const { reason } = yield* one.nextDisconnection
      assert.strictEqual(reason._tag, "ApplicationClosed")
    }).pipe(onLoopback)
  )

  it.live(
    "that ask and never finish a stream can go on, though nothing else in them makes garbage",
    () =>
      Effect.gen(function* () {
        // Two times as many streams as one side may have open, and more.
        assert.deepStrictEqual(yield* run("unfinished.mjs", ["1200"]), {
          code: 0,
          signal: null,
          lines: ["1200 answers"]
        })
      }),
    180_000
  )
})
