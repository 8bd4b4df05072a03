/** `npm run report`: every contender and every workload, as a folder with Markdown, plots and the samples. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "../measuring/run.ts"
import { writeReport } from "../report/report.ts"
import { readArguments } from "./arguments.ts"
import { printProgress } from "./progress.ts"

const reports = fileURLToPath(new URL("../../../reports", import.meta.url))

const { out, ...plan } = readArguments()
const folder = out === undefined ? join(reports, new Date().toISOString().slice(0, 10)) : resolve(out)
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
// Some of what is compared keeps timers.
process.exit(0)
