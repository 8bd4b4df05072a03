/** `npm run retire -- FOLDER...`: moves what reports found about the targets to `history.csv` beside them, and removes them. */
import { retire } from "../report/retire.ts"

const folders = process.argv.slice(2)
if (folders.length === 0) {
  console.error("usage: npm run retire -- FOLDER...")
  process.exitCode = 1
}
for (const folder of folders) await retire(folder)
