import assert from "node:assert/strict"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, test } from "node:test"
import { measure } from "../src/measuring/processes.ts"
import { profileOf, rolesOf } from "../src/measuring/protocol.ts"
import { readProfile, spendingOf, spendingSection } from "../src/report/profile.ts"

const frame = (functionName: string, url = "", lineNumber = -1) => ({ functionName, url, lineNumber })

const profile = {
  nodes: [
    { id: 1, callFrame: frame("(root)") },
    { id: 2, callFrame: frame("(idle)") },
    { id: 3, callFrame: frame("flush", "file:///home/me/qp2p/packages/core/dist/transport/quic/socket.js", 9) },
    { id: 4, callFrame: frame("connSend") },
    { id: 5, callFrame: frame("flush", "file:///home/me/qp2p/packages/core/dist/transport/quic/socket.js", 9) },
    { id: 9, callFrame: frame("custom_gc") },
    { id: 6, callFrame: frame("", "file:///x/node_modules/.pnpm/effect@4/node_modules/effect/dist/Queue.js", 0) },
    { id: 7, callFrame: frame("doSend", "node:dgram", 4) },
    { id: 8, callFrame: frame("seal", "/x/node_modules/@some/package/lib/index.cjs", 4) }
  ],
  samples: [2, 3, 4, 5, 2, 6, 7, 8, 9, 2],
  timeDeltas: [7, 100, 10, 20, 30, 100, 1.5, 2, 3, 0.5]
}

describe("what a profile says", () => {
  test("the time of each function, whoever called it, without what it calls", () => {
    const { functions, idle, time } = spendingOf(profile)
    assert.equal(time, 267)
    assert.equal(idle, 200)
    assert.deepEqual(functions.slice(0, 3), [
      { name: "flush core/transport/quic/socket:10", microseconds: 40 },
      { name: "connSend", microseconds: 20 },
      { name: "seal @some/package/lib/index:5", microseconds: 3 }
    ])
    assert.ok(functions.some(({ name }) => name === "anonymous effect/Queue:1"))
    assert.ok(functions.every(({ name }) => !name.includes("home")))
  })

  test("the time of each room", () => {
    assert.deepEqual(
      spendingOf(profile)
        .rooms.filter(({ microseconds }) => microseconds > 0)
        .map(({ name }) => name),
      ["core/transport/quic", "native functions of Node and V8", "@some/package", "node", "effect", "the QUIC binding"]
    )
  })

  test("in shares of what the process did", () => {
    const text = spendingSection("One end", spendingOf(profile)).join("\n")
    assert.match(text, /25\.1 % of .* s at work/)
    assert.match(text, /connSend +\| +29\.9 %/)
  })
})

describe("a sample that is profiled", { timeout: 60_000 }, () => {
  for (const mode of ["one", "two"] as const) {
    test(`leaves a profile of each of its processes (${mode})`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "profiles-"))
      const task = {
        contender: "tcp",
        workload: "messages-1k",
        scale: "smoke",
        seconds: 0.05,
        parameters: { size: 1024, inFlight: 4 },
        options: {},
        mode
      } as const
      await measure({ ...task, profileTo: folder }, undefined, 30_000)
      for (const role of rolesOf(mode)) {
        const { functions, time } = await readProfile(profileOf(folder, { ...task, role }))
        assert.ok(time > 0)
        assert.ok(functions.some(({ name }) => name.includes("benchmarks/contenders/")))
      }
      await rm(folder, { recursive: true })
    })
  }
})
