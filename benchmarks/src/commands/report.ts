/**
 * `npm run report`: every contender and every workload, as a folder with Markdown, plots and the samples. Among the reports
 * of this repository it takes the place of those that it can stand for.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "../measuring/run.ts"
import { writeReport } from "../report/report.ts"
import { freeFolder, retireEarlier } from "../report/retire.ts"
import { readArguments } from "./arguments.ts"
import { printProgress } from "./progress.ts"

const reports = fileURLToPath(new URL("../../../reports", import.meta.url))

const { out, ...plan } = readArguments()
const folder = out === undefined ? freeFolder(join(reports, new Date().toISOString().slice(0, 10))) : resolve(out)
mkdirSync(folder, { recursive: true })

const results = await run(plan, {
  ...printProgress,
  // It takes hours: what there is must not be lost with what is to come.
  onCase: (results) => writeFileSync(join(folder, "results.json"), JSON.stringify(results))
})
await writeReport(results, folder)
console.log(
  `${results.samples.length} samples, ${results.failures.length} failures, ${results.minutes.toFixed(0)} minutes`
)
console.log(join(folder, "README.md"))
for (const { kept, report } of dirname(folder) === reports ? await retireEarlier(folder) : []) {
  console.log(kept === undefined ? `${report} is retired to history.csv` : `${report} is kept: ${kept}`)
}
// Some of what is compared keeps timers.
process.exit(0)
