import assert from "node:assert/strict"
import { test } from "node:test"
import { Program } from "../src/contenders/qp2pRust/program.ts"
import { isKnown, wordsOf } from "../src/contenders/qp2pRust/words.ts"
import { workloads } from "../src/workloads/registry.ts"

const node = (script: string, limit = 20_000) => new Program(process.execPath, ["-e", script], limit)

test("qp2p in Rust has a program for every workload but two and calls: idle connections, and questions beside a load", () => {
  assert.deepEqual(
    workloads.filter(({ calls, name }) => calls === undefined && !isKnown(name)).map(({ name }) => name),
    ["loaded-requests", "idle"]
  )
  assert.deepEqual(
    workloads.filter(({ calls, name }) => calls !== undefined && isKnown(name)),
    []
  )
})

test("every case of every workload has the words for it", () => {
  for (const { cases, name } of workloads.filter(({ name }) => isKnown(name))) {
    for (const parameters of cases("full").filter(({ maxUdpPayload }) => maxUdpPayload === undefined)) {
      const words = wordsOf(name, parameters, 2)
      assert.deepEqual(
        words.filter((word) => word === "NaN" || word === "undefined"),
        [],
        name
      )
      if (parameters["size"] !== undefined) assert.equal(words[words.indexOf("--size") + 1], String(parameters["size"]))
    }
  }
})

test("a payload that cannot be chosen and a parameter that is missing are refused", () => {
  assert.throws(() => wordsOf("messages-1k", { size: 1024, inFlight: 1, maxUdpPayload: 1350 }, 1), /payload/)
  assert.throws(() => wordsOf("messages-1k", { size: 1024 }, 1), /inFlight/)
})

test("a program is asked line by line", async () => {
  const program = node(`process.stdin.on("data", () => console.log('{"messages":3}'))`)
  assert.deepEqual(await program.ask(), { messages: 3 })
  await program.close()
})

test("a program that fails says why", async () => {
  const program = node(`console.error("the reason"); process.exitCode = 1`)
  await assert.rejects(program.next(), /^Error: the reason$/)
  await program.close()
})

test("a program that does not exist is an error and nothing else", async () => {
  const program = new Program("/nowhere/at-all", [], 1000)
  await assert.rejects(program.next(), /ENOENT/)
  await program.close()
})

test("a program that takes longer than it may is killed", async () => {
  const program = node("setInterval(() => {}, 1000)", 200)
  await assert.rejects(program.next(), /SIGKILL/)
  await program.close()
})
