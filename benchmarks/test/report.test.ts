import assert from "node:assert/strict"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import type { Sample } from "../src/measuring/results.ts"
import { readResults, render, writeReport } from "../src/report/report.ts"
import { cellsOf, keyOf, summarize } from "../src/report/summary.ts"
import { isForTargets, targets, targetsTable } from "../src/report/targets.ts"
import { bytes, caseName, number, table } from "../src/report/text.ts"
import { heldAt, slopeOf } from "../src/workloads/idle.ts"
import { workloads } from "../src/workloads/registry.ts"
import { contenders, madeUp } from "./madeUp.ts"

void test("numbers are written with what matters of them", () => {
  assert.deepEqual([43_219.4, 431.9, 4.3219, 0.043219, 0, 1e6].map(number), [
    "43,219",
    "432",
    "4.32",
    "0.0432",
    "0",
    "1,000,000"
  ])
  assert.equal(number(Number.NaN), "–")
  assert.deepEqual([64, 1024, 1350, 1 << 20, 16_384, 2 ** 30].map(bytes), [
    "64 B",
    "1 KiB",
    "1,350 B",
    "1 MiB",
    "16 KiB",
    "1 GiB"
  ])
  assert.equal(caseName({ size: 1024, inFlight: 32, maxUdpPayload: 1350 }), "1 KiB, 32 in flight, payload 1,350 B")
  assert.equal(caseName({ connections: 5000, seconds: 600 }), "5,000 connections, 600 s")
})

void test("tables are Markdown", () => {
  assert.equal(table(["", "a|b"], [["one", "1"]]), "|     | a\\|b |\n| --- | ---: |\n| one |    1 |")
})

void test("samples become their middle and their spread", () => {
  assert.deepEqual(summarize([3, 1, 2]), { middle: 2, low: 1, high: 3, samples: 3 })
  assert.deepEqual(summarize([4, 1, 2, 3]), { middle: 2.5, low: 1, high: 4, samples: 4 })
  const results = madeUp()
  const one = cellsOf(results).filter(({ workload }) => workload === "requests")
  assert.equal(one.length, 2 * contenders.length)
  assert.ok(one.every(({ figures }) => figures["p50"]?.samples === 3))
})

void test("a slope is by how much values grow from one to the next", () => {
  assert.equal(slopeOf([1, 3, 5, 7]), 2)
  assert.equal(slopeOf([7, 7, 7]), 0)
  assert.equal(slopeOf([5]), 0)
})

void test("targets ask for figures that a full report has", () => {
  for (const target of targets) {
    const value = target.measure(({ workload: name, figure, parameters }) => {
      const workload = workloads.find((workload) => workload.name === name)
      assert.ok(workload, `${target.work}: ${name}`)
      assert.ok(figure in workload.figures, `${target.work}: ${figure}`)
      const cases = workload.cases("full").map(keyOf)
      assert.ok(cases.includes(keyOf(parameters)), `${target.work}: ${keyOf(parameters)} is none of ${cases.join(" ")}`)
      return 1
    })
    assert.equal(value, 1)
  }
})

void test("what targets are made of is told by case and contender", () => {
  const parameters = { size: 1024, inFlight: 32 }
  const asked = { workload: "messages-1k", parameters, contender: "hyperdht" }
  assert.ok(isForTargets(asked))
  assert.ok(isForTargets({ ...asked, contender: "qp2p" }))
  assert.ok(!isForTargets({ ...asked, contender: "tcp" }))
  assert.ok(!isForTargets({ ...asked, parameters: { size: 1024, inFlight: 1 } }))
  assert.ok(!isForTargets({ ...asked, workload: "messages-64b" }))
})

/** What the table says about one target, when these are the medians. */
const verdicts = (work: string, contender: string, samples: ReadonlyArray<Sample>) => {
  const lines = targetsTable(cellsOf({ ...madeUp(), samples })).split("\n")
  const line = lines.find((line) => line.startsWith(`| ${work}`) && line.includes(`× ${contender} `)) ?? ""
  return line
    .split("|")
    .slice(3, 5)
    .map((cell) => cell.trim())
}

void test("targets are met or not by the medians of each mode", () => {
  const sample = (contender: string, mode: "one" | "two", messagesPerSecond: number): Sample => ({
    workload: "messages-1k",
    contender,
    mode,
    parameters: { inFlight: 32, size: 1024 },
    figures: { messagesPerSecond }
  })
  const samples = [
    ...[1, 120, 500].map((rate) => sample("qp2p", "one", rate)),
    ...[99, 100, 101].map((rate) => sample("plain-loop", "one", rate)),
    sample("qp2p", "two", 119),
    sample("plain-loop", "two", 100)
  ]
  const of = (contender: string) => verdicts("1 KiB, 32 in flight", contender, samples)
  assert.deepEqual(of("plain-loop"), ["1.2 ×, met", "1.19 ×, **not met**"])
  assert.deepEqual(of("hyperdht"), ["–", "–"])
  const rust = [...samples, sample("qp2p-rust-0.29", "one", 480)]
  assert.deepEqual(verdicts("1 KiB, 32 in flight", "qp2p-rust-0.29", rust), ["0.25 ×", "–"])
})

void test("a report shows every figure's place, what failed and what was left out", async () => {
  const results = madeUp()
  const { markdown, charts } = await render(results)
  assert.doesNotMatch(markdown, /NaN|undefined|Infinity|\[object/)
  for (const { name } of workloads) assert.ok(markdown.includes(`### ${name}\n`), name)
  for (const { file, svg } of charts) {
    assert.ok(markdown.includes(`(./${file})`), file)
    assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/)
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
  }
  assert.deepEqual(
    charts.map(({ file }) => file),
    [...new Set(charts.map(({ file }) => file))]
  )
  for (const file of ["ratios-one", "messages-two", "requests", "cost-connections-two", "idle-5000"]) {
    assert.ok(
      charts.some((chart) => chart.file === `${file}.svg`),
      file
    )
  }
  assert.match(markdown, /libp2p-quic +\| all +\| does not run here/)
  assert.match(markdown, /cost-peers \(1,000 peers, 1 KiB\)/)
  assert.match(markdown, /## Failed[\s\S]*three messages were missing/)
})

void test("the same results make the same report", async () => {
  assert.deepEqual(await render(madeUp()), await render(madeUp()))
})

void test("what was not measured leaves no gap that breaks the report", async () => {
  const results = madeUp()
  const few = results.samples.filter(
    ({ contender, workload }) => workload === "requests" && (contender === "tcp" || contender === "hyperdht")
  )
  const { markdown } = await render({ ...results, samples: few, omissions: [], failures: [] })
  assert.doesNotMatch(markdown, /NaN|undefined|Infinity|## Failed|## Left out/)
  const none = await render({ ...results, samples: [] })
  assert.doesNotMatch(none.markdown, /NaN|undefined|Infinity/)
  assert.deepEqual(none.charts, [])
})

void test("a figure of zero has no place on a logarithmic axis", async () => {
  const results = madeUp()
  const samples = results.samples.map((sample) =>
    sample.contender === "tcp" ? { ...sample, figures: { ...sample.figures, p50: 0 } } : sample
  )
  const { charts } = await render({ ...results, samples })
  for (const { svg } of charts) assert.doesNotMatch(svg, /NaN|Infinity/)
})

void test("a report on disk can be read again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "report-"))
  try {
    const results = madeUp()
    await writeReport(results, join(folder, "new"))
    const files = await readdir(join(folder, "new"))
    assert.deepEqual(await readResults(join(folder, "new")), results)
    const readme = await readFile(join(folder, "new", "README.md"), "utf8")
    for (const [, file] of readme.matchAll(/!\[.*\]\(\.\/(.*)\)/g)) assert.ok(files.includes(file ?? ""), file)
    assert.ok(!readme.includes(heldAt(0)))
  } finally {
    await rm(folder, { recursive: true })
  }
})
