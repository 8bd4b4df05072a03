/** Takes reports out of their folder once a newer one measures the same: their figures for the targets stay in `history.csv`. */
import { existsSync } from "node:fs"
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import type { Results } from "../measuring/results.ts"
import { withReport } from "./history.ts"
import { readResults } from "./report.ts"
import { keyOf, ours } from "./summary.ts"
import { caseName } from "./text.ts"

/** Adds the lines of a report to the `history.csv` beside its folder, then removes the folder. */
export const retire = async (folder: string): Promise<void> => {
  const path = resolve(folder)
  const history = join(dirname(path), "history.csv")
  const before = existsSync(history) ? await readFile(history, "utf8") : undefined
  const after = withReport(before, basename(path), await readResults(path))
  // Half a history must not be what is left of a report.
  await writeFile(`${history}.new`, after)
  await rename(`${history}.new`, history)
  await rm(path, { recursive: true })
}

const weight = { smoke: 0, quick: 1, full: 2 }

/** Why a newer report cannot stand for an older one; undefined where it can. */
export const missingIn = (newer: Results, older: Results): string | undefined => {
  if (newer.date <= older.date) return "it is not older"
  if (weight[newer.scale] < weight[older.scale]) return `its scale is ${older.scale}, not ${newer.scale}`
  const own = ({ samples }: Results) => samples.filter(({ contender }) => contender === ours)
  const keyOfCase = ({ mode, parameters, workload }: Results["samples"][number]) =>
    [workload, mode, keyOf(parameters)].join(" ")
  const measured = new Set(own(newer).map(keyOfCase))
  const missing = own(older).find((sample) => !measured.has(keyOfCase(sample)))
  if (missing === undefined) return undefined
  return `it alone has ${missing.workload}, ${caseName(missing.parameters)}, mode ${missing.mode}`
}

/** What became of an earlier report; `kept` is the reason why it was not retired. */
export interface Retirement {
  readonly report: string
  readonly kept: string | undefined
}

/**
 * Retires the reports beside a new one that it can stand for: older ones, of no larger scale, whose cases of ours it has.
 * Contenders do not count, since not every machine has all of them.
 */
export const retireEarlier = async (folder: string): Promise<ReadonlyArray<Retirement>> => {
  const path = resolve(folder)
  const newer = await readResults(path)
  const beside = await readdir(dirname(path), { withFileTypes: true })
  const reports = beside
    .filter((entry) => entry.isDirectory() && entry.name !== basename(path))
    .map(({ name }) => name)
    .filter((name) => existsSync(join(dirname(path), name, "results.json")))
    .toSorted()
  const retirements: Array<Retirement> = []
  for (const report of reports) {
    const older = join(dirname(path), report)
    const kept = await readResults(older).then(
      (results) => missingIn(newer, results),
      () => "its results cannot be read"
    )
    if (kept === undefined) await retire(older)
    retirements.push({ report, kept })
  }
  return retirements
}

/** The folder, or the first of `-2`, `-3` and so on after its name that is not there: two reports of a day are two folders. */
export const freeFolder = (folder: string): string => {
  let free = folder
  for (let i = 2; existsSync(free); i += 1) free = `${folder}-${i}`
  return free
}
