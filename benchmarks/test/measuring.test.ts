import assert from "node:assert/strict"
import { describe, test } from "node:test"
import * as Schema from "effect/Schema"
import type { Contender, Counts, Link } from "../src/contender.ts"
import { describeMachine } from "../src/measuring/machine.ts"
import { measure } from "../src/measuring/processes.ts"
import { Machine, type Omission } from "../src/measuring/results.ts"
import { type Asked, casesOf, type Runner } from "../src/measuring/run.ts"
import type { Context, Workload } from "../src/workload.ts"
import { measureMessages, quantile, Tally } from "../src/workloads/load.ts"
import { workloadOf } from "../src/workloads/registry.ts"

const task = {
  contender: "tcp",
  workload: "messages-1k",
  scale: "smoke",
  seconds: 0.02,
  parameters: { size: 1024, inFlight: 4 },
  options: {}
} as const

describe("a sample", { timeout: 60_000 }, () => {
  for (const mode of ["one", "two"] as const) {
    test(`has the figures of its workload (${mode})`, async () => {
      const figures = await measure({ ...task, mode }, undefined, 30_000)
      assert.deepEqual(Object.keys(figures).toSorted(), Object.keys(workloadOf(task.workload).figures).toSorted())
      assert.ok(Object.values(figures).every((value) => value > 0))
    })

    test(`that takes too long fails (${mode})`, async () => {
      await assert.rejects(measure({ ...task, mode, seconds: 60 }, undefined, 500), /took more than/)
    })

    test(`whose process fails says why (${mode})`, async () => {
      await assert.rejects(measure({ ...task, mode, contender: "nobody" }, undefined, 30_000), /no contender "nobody"/)
      await assert.rejects(measure({ ...task, mode, parameters: {} }, undefined, 30_000), /inFlight is missing/)
    })
  }

  test("goes over a relay where the workload has a network", async () => {
    const network = { carrier: "tcp", latency: 20, loss: 0, seed: 1 } as const
    const figures = await measure(
      { ...task, workload: "lossy-requests", mode: "two", parameters: { size: 64 } },
      network,
      30_000
    )
    assert.ok((figures["p50"] ?? 0) >= 40)
  })
})

/** A context whose listener was handed what `counts` says. */
const contextOf = (counts: () => Counts): Context => {
  const resources = async () => ({ rss: 0, heapUsed: 0, external: 0, cpu: 0 })
  return {
    contender: {} as Contender,
    address: "",
    options: {},
    parameters: {},
    mode: "one",
    scale: "smoke",
    seconds: 0.001,
    near: { resources },
    far: { resources, counts: async () => counts() }
  }
}

const linkTo = (hand: (count: number, size: number) => void): Link => ({
  messages: async ({ count, size }) => {
    hand(count, size)
    await new Promise((resolve) => setTimeout(resolve, 1))
  },
  requests: async () => new Float64Array(),
  close: async () => {}
})

describe("what the listener was handed", () => {
  test("may come a moment late", async () => {
    let asked = 0
    const tally = new Tally(contextOf(() => (asked++ < 3 ? { messages: 1, bytes: 5 } : { messages: 2, bytes: 10 })))
    tally.sent(2, 5)
    await tally.check()
    assert.equal(asked, 4)
  })

  test("may not be more than was sent", async () => {
    const tally = new Tally(contextOf(() => ({ messages: 3, bytes: 10 })))
    tally.sent(2, 5)
    await assert.rejects(tally.check(), /handed 3 messages with 10 bytes, and not 2 with 10/)
  })

  test("makes the difference between a figure and an error", async () => {
    const handed = { messages: 0, bytes: 0 }
    const context = contextOf(() => handed)
    const good = linkTo((count, size) => {
      handed.messages += count
      handed.bytes += count * size
    })
    assert.ok((await measureMessages(context, [good], { size: 10, inFlight: 2 }))["messagesPerSecond"]! > 0)
    handed.messages = handed.bytes = 0
    const twice = linkTo((count, size) => {
      handed.messages += 2 * count
      handed.bytes += 2 * count * size
    })
    await assert.rejects(measureMessages(context, [twice], { size: 10, inFlight: 2 }), /was handed/)
  })
})

const runnerOf = (name: string, refuses?: string): Runner => ({
  name,
  about: name,
  refuses: () => refuses,
  sample: async () => ({})
})

const workload: Workload = {
  name: "some",
  about: "",
  figures: {},
  modes: ["one", "two"],
  cases: () => [{ size: 1 }, { size: 2 }],
  omit: ({ name }, { size }) => (name === "b" && size === 2 ? "too much" : undefined),
  limit: () => 0,
  run: async () => ({})
}

const plan = { scale: "quick", workloads: [workload], contenders: [] } as const

describe("the order of samples", () => {
  const orderOf = (cases: ReturnType<typeof casesOf>) =>
    cases.map((turns) =>
      turns.map(({ mode, parameters, runner }) => `${runner.name}${parameters["size"]}${mode}`).join(" ")
    )

  test("is by turns within each case", () => {
    const omissions: Array<Omission> = []
    const cases = casesOf({ ...plan, rounds: 2 }, [runnerOf("a"), runnerOf("b"), runnerOf("c", "cannot")], omissions)
    assert.deepEqual(orderOf(cases), [
      "a1one b1one a1one b1one",
      "a2one a2one",
      "a1two b1two a1two b1two",
      "a2two a2two"
    ])
    const reasons = omissions.map(
      ({ contender, parameters, reason }) => `${contender}${parameters?.["size"]} ${reason}`
    )
    assert.deepEqual(reasons, ["c1 cannot", "b2 too much", "c2 cannot", "c1 cannot", "b2 too much", "c2 cannot"])
  })

  test("has only what was asked for", () => {
    const asked = {
      ...plan,
      rounds: 1,
      mode: "two",
      takes: ({ contender, parameters }: Asked) => contender === "a" && parameters["size"] === 2
    } as const
    assert.deepEqual(orderOf(casesOf(asked, [runnerOf("a"), runnerOf("b")], [])), ["a2two"])
  })

  test("has as many rounds as the scale or the workload says", () => {
    const count = (workload: Workload) =>
      casesOf({ ...plan, workloads: [workload], mode: "one" }, [runnerOf("a")], [])[0]?.length
    assert.equal(count(workload), 3)
    assert.equal(count({ ...workload, rounds: () => 1 }), 1)
    assert.equal(count({ ...workload, rounds: () => undefined }), 3)
    assert.equal(count({ ...workload, rounds: () => 9 }), 3)
  })
})

test("quantiles are values that were measured", () => {
  const times = Float64Array.from({ length: 100 }, (_, i) => i + 1)
  assert.equal(quantile(times, 0.5), 51)
  assert.equal(quantile(times, 0.99), 100)
  assert.equal(quantile(times.subarray(0, 1), 0.99), 1)
})

test("the machine is described", () => {
  const machine = describeMachine()
  assert.deepEqual(Schema.decodeUnknownSync(Machine)(JSON.parse(JSON.stringify(machine))), machine)
  assert.ok(Object.values(machine.versions).every((version) => /^\d+\.\d+\.\d+/.test(version)))
  assert.match(machine.commit, /^[0-9a-f]{12}(?:-dirty)?$/)
})
