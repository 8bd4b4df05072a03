/** `npm run profile`: what the processes of some samples spend their time on. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { foreignOf } from "../contenders/registry.ts"
import { profileOf, rolesOf } from "../measuring/protocol.ts"
import type { Results } from "../measuring/results.ts"
import { run } from "../measuring/run.ts"
import { readProfile, spendingSection } from "../report/profile.ts"
import { machineSection } from "../report/report.ts"
import { ours } from "../report/summary.ts"
import { caseName, number } from "../report/text.ts"
import { modeName } from "../report/workloadSection.ts"
import { readArguments } from "./arguments.ts"
import { printProgress } from "./progress.ts"

const roleName = { both: "Both ends", dialler: "The dialler", listener: "The listener" }

const markdownOf = async (results: Results, folder: string): Promise<string> => {
  const paragraphs = [
    `# Profiles, ${results.date.slice(0, 10)}`,
    "What the processes of a sample spend their time on, warm-up included: a look at the stack four times a millisecond. " +
      "Where optimised code calls the QUIC binding, the binding's time counts as that of the function that calls it: in `takeIn` " +
      "a packet is received, in `flush` packets are sent. Figures are not a report's: looking costs time, and keeps the processor awake."
  ]
  for (const sample of results.samples) {
    const { contender, figures, mode, parameters, workload } = sample
    const meanings = results.workloads.find(({ name }) => name === workload)?.figures ?? {}
    const told = Object.entries(figures).map(
      ([name, value]) => `${name} ${number(value)} ${meanings[name]?.unit ?? ""}`
    )
    paragraphs.push(`## ${workload}: ${caseName(parameters)}, ${contender}`, `${modeName[mode]}. ${told.join(", ")}.`)
    for (const role of rolesOf(mode)) {
      paragraphs.push(...spendingSection(roleName[role], await readProfile(profileOf(folder, { ...sample, role }))))
    }
  }
  return `${[...paragraphs, ...machineSection(results.machine)].join("\n\n")}\n`
}

const { out, ...plan } = readArguments({ contenders: ours })
const program = plan.contenders.find((name) => foreignOf(name) !== undefined)
if (program !== undefined) {
  console.error(`${program} is a program of its own, which leaves no profile`)
  process.exit(2)
}
const folder = mkdtempSync(join(tmpdir(), "profiles-"))
const results = await run({ ...plan, rounds: 1, profileTo: folder }, printProgress)
const markdown = await markdownOf(results, folder)
if (out === undefined) {
  console.log(markdown)
} else {
  mkdirSync(resolve(out), { recursive: true })
  writeFileSync(join(resolve(out), "README.md"), markdown)
}
console.error(`for the developer tools of Chrome: ${folder}`)
// Some of what is compared keeps timers.
process.exit(results.failures.length > 0 || results.samples.length === 0 ? 1 : 0)
