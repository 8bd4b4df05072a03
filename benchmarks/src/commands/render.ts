/** `npm run render -- FOLDER`: writes the Markdown and the plots of a report again, from the samples that it has. */
import { resolve } from "node:path"
import { readResults, writeReport } from "../report/report.ts"

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  console.error("usage: npm run render -- FOLDER")
  process.exitCode = 1
} else {
  const path = resolve(folder)
  await writeReport(await readResults(path), path)
}
