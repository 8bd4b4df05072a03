/** `npm run smoke`: every contender and every workload, as little of each as possible; fails if anything breaks. */
import { run } from "../measuring/run.ts"
import { readArguments } from "./arguments.ts"
import { caseText, printProgress } from "./progress.ts"

const { out: _out, ...plan } = readArguments()
const results = await run({ ...plan, scale: "smoke", atOnce: 2 }, printProgress)
for (const { contender, parameters, reason, workload } of results.omissions) {
  console.log(`left out: ${contender} ${workload ?? ""} ${caseText(parameters)}: ${reason}`)
}
const { failures, minutes, samples } = results
console.log(`${samples.length} samples, ${failures.length} failures, ${(minutes * 60).toFixed(0)} s`)
// Some of what is compared keeps timers.
process.exit(failures.length > 0 || samples.length === 0 ? 1 : 0)
