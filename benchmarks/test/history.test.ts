/** `history.csv`, and the reports that give way to newer ones. */
import assert from "node:assert/strict"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import type { Mode, Parameters, Results, Sample } from "../src/measuring/results.ts"
import { withReport } from "../src/report/history.ts"
import { readResults } from "../src/report/report.ts"
import { freeFolder, missingIn, retire, retireEarlier } from "../src/report/retire.ts"
import { targets } from "../src/report/targets.ts"
import { madeUp } from "./madeUp.ts"

const sample = (contender: string, mode: Mode, messagesPerSecond: number): Sample => ({
  workload: "messages-1k",
  contender,
  mode,
  parameters: { size: 1024, inFlight: 32 },
  figures: { messagesPerSecond }
})

const few = [
  ...[1, 123_456.789, 500_000].map((rate) => sample("qp2p", "one", rate)),
  ...[90, 100, 110].map((rate) => sample("plain-loop", "one", 1000 * rate)),
  sample("qp2p", "two", 119_000),
  sample("plain-loop", "two", 100_000)
]

/** The fields of a line, some of which are in quotes. */
const fieldsOf = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/gu)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? ""
  )

const rowsOf = (history: string): ReadonlyArray<{ readonly [column: string]: string | undefined }> => {
  const [columns = [], ...rows] = history.trimEnd().split("\n").map(fieldsOf)
  for (const row of rows) assert.equal(row.length, columns.length)
  return rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]])))
}

/** A folder for reports that is gone after the test. */
const inReports = async (body: (reports: string) => Promise<void>): Promise<void> => {
  const reports = await mkdtemp(join(tmpdir(), "reports-"))
  try {
    await body(reports)
  } finally {
    await rm(reports, { recursive: true })
  }
}

const put = async (reports: string, name: string, results: Results): Promise<string> => {
  const folder = join(reports, name)
  await mkdir(folder)
  await writeFile(join(folder, "results.json"), JSON.stringify(results))
  return folder
}

void test("a report leaves a row for each target and mode that it measured", () => {
  const rows = rowsOf(withReport(undefined, "first", { ...madeUp(), samples: few }))
  assert.deepEqual(
    rows.map(({ against, mode, ratio, verdict }) => [against, mode, ratio, verdict]),
    [
      ["plain-loop", "one", "1.2346", "met"],
      ["plain-loop", "two", "1.19", "not met"]
    ]
  )
  assert.deepEqual(rows[0], {
    report: "first",
    date: "2026-01-02T03:04:05.000Z",
    scale: "full",
    commit: "0123456",
    cpu: "A processor",
    cores: "2",
    node: "20.20.2",
    mode: "one",
    target: "1 KiB, 32 in flight, confirmed",
    asks: "≥ 1.2 × plain-loop",
    workload: "messages-1k",
    figure: "messagesPerSecond",
    unit: "messages/s",
    case: "size=1024 inFlight=32",
    ours: "123460",
    ours_low: "1",
    ours_high: "500000",
    against: "plain-loop",
    against_case: "",
    theirs: "100000",
    theirs_low: "90000",
    theirs_high: "110000",
    ratio: "1.2346",
    verdict: "met"
  })
})

void test("a figure of ours alone has no ratio, and a growth names the case that it is measured against", () => {
  const rows = rowsOf(withReport(undefined, "first", madeUp()))
  const idle = rows.find(({ figure }) => figure === "perConnection")
  assert.deepEqual([idle?.["unit"], idle?.["against"], idle?.["theirs"], idle?.["ratio"]], ["KB", "", "", ""])
  const growth = rows.find(({ workload }) => workload === "cost-spread")
  assert.deepEqual(
    [growth?.["case"], growth?.["against"], growth?.["against_case"]],
    ["connections=1000 size=1024", "qp2p", "connections=1 size=1024"]
  )
  const measured = new Set(rows.map(({ asks, target }) => `${target} ${asks}`))
  // The other Rust program is none of the contenders.
  assert.equal(
    measured.size,
    targets.filter(({ over }) => over?.contender !== "qp2p-rust-0.36" && over?.contender !== "libp2p-quic").length
  )
})

void test("a report that is added again has its rows once, beside those of the others", () => {
  const once = withReport(withReport(undefined, "first", madeUp()), "first, again", madeUp())
  const again = withReport(once, "first", { ...madeUp(), samples: few })
  const count = (history: string, name: string) => rowsOf(history).filter(({ report }) => report === name).length
  assert.equal(count(once, "first"), count(once, "first, again"))
  assert.deepEqual([count(again, "first"), count(again, "first, again")], [2, count(once, "first, again")])
  assert.equal(again, withReport(again, "first", { ...madeUp(), samples: few }))
})

void test("a history with other columns is refused", () => {
  assert.throws(() => withReport("report,date\nfirst,today\n", "second", madeUp()), /other columns/)
})

void test("commas, quotes and line ends stay within a cell", () => {
  const machine = { ...madeUp().machine, cpu: 'A "fast",\nold processor' }
  const [row] = rowsOf(withReport(undefined, "first", { ...madeUp(), machine, samples: few }))
  assert.equal(row?.["cpu"], 'A "fast", old processor')
})

void test("a retired report leaves its rows and no folder", () =>
  inReports(async (reports) => {
    const folder = await put(reports, "first", { ...madeUp(), samples: few })
    await retire(folder)
    assert.deepEqual(await readdir(reports), ["history.csv"])
    assert.equal(rowsOf(await readFile(join(reports, "history.csv"), "utf8")).length, 2)
    await retire(await put(reports, "second", madeUp()))
    const names = rowsOf(await readFile(join(reports, "history.csv"), "utf8")).map(({ report }) => report)
    assert.deepEqual([...new Set(names)], ["first", "second"])
  }))

void test("what is no report, and what the history refuses, stays where it is", () =>
  inReports(async (reports) => {
    const notes = join(reports, "notes")
    await mkdir(notes)
    await assert.rejects(retire(notes))
    const folder = await put(reports, "first", madeUp())
    await writeFile(join(reports, "history.csv"), "something else\n")
    await assert.rejects(retire(folder), /other columns/)
    assert.deepEqual((await readdir(reports)).toSorted(), ["first", "history.csv", "notes"])
    assert.equal(await readFile(join(reports, "history.csv"), "utf8"), "something else\n")
    assert.deepEqual(await readResults(folder), madeUp())
  }))

void test("a report stands for an older one whose cases of ours it has, at no smaller scale", () => {
  const older: Results = { ...madeUp(), date: "2026-01-01T00:00:00.000Z", samples: few }
  const newer: Results = { ...older, date: "2026-01-02T00:00:00.000Z" }
  const other = (parameters: Parameters): Results => ({
    ...older,
    samples: [...few, { ...sample("qp2p", "one", 1), parameters }]
  })
  assert.equal(missingIn(newer, older), undefined)
  assert.equal(missingIn(newer, { ...older, scale: "quick" }), undefined)
  // Another contender's case neither asks for anything nor makes up for ours.
  const one = { ...sample("tcp", "one", 1), parameters: { size: 1024, inFlight: 1 } }
  assert.equal(missingIn(newer, { ...older, samples: [...few, one] }), undefined)
  assert.notEqual(missingIn({ ...newer, samples: [one] }, other(one.parameters)), undefined)
  assert.equal(missingIn(newer, other({ inFlight: 32, size: 1024 })), undefined)
  assert.equal(
    missingIn(newer, other({ size: 1024, inFlight: 1 })),
    "it alone has messages-1k, 1 KiB, 1 in flight, mode one"
  )
  assert.equal(missingIn({ ...newer, scale: "quick" }, older), "its scale is full, not quick")
  assert.equal(missingIn(older, newer), "it is not older")
  assert.equal(missingIn(newer, newer), "it is not older")
})

void test("a new report retires those beside it that it stands for, and says why it keeps the others", () =>
  inReports(async (reports) => {
    const at = (day: number): Results => ({ ...madeUp(), date: `2026-01-0${day}T00:00:00.000Z` })
    await put(reports, "targets", { ...at(1), samples: few })
    await put(reports, "whole", at(2))
    await put(reports, "to come", at(9))
    await mkdir(join(reports, "notes"))
    await mkdir(join(reports, "torn"))
    await writeFile(join(reports, "torn", "results.json"), "{")
    const retirements = await retireEarlier(await put(reports, "new", at(3)))
    assert.deepEqual(retirements, [
      { report: "targets", kept: undefined },
      { report: "to come", kept: "it is not older" },
      { report: "torn", kept: "its results cannot be read" },
      { report: "whole", kept: undefined }
    ])
    assert.deepEqual((await readdir(reports)).toSorted(), ["history.csv", "new", "notes", "to come", "torn"])
    const names = rowsOf(await readFile(join(reports, "history.csv"), "utf8")).map(({ report }) => report)
    assert.deepEqual([...new Set(names)], ["targets", "whole"])
  }))

void test("two reports of a day have a folder each", () =>
  inReports(async (reports) => {
    const folder = join(reports, "2026-01-02")
    assert.equal(freeFolder(folder), folder)
    await mkdir(folder)
    assert.equal(freeFolder(folder), `${folder}-2`)
    await mkdir(`${folder}-2`)
    assert.equal(freeFolder(folder), `${folder}-3`)
  }))
