/** `npm run compare`: a few contenders on a few workloads, as tables in the terminal. */
import type { FigureMeaning, Results } from "../measuring/results.ts"
import { run } from "../measuring/run.ts"
import { type Cell, cellsOf, groupBy, keyOf } from "../report/summary.ts"
import { caseName, number, ratio } from "../report/text.ts"
import { modeName } from "../report/workloadSection.ts"
import { readArguments } from "./arguments.ts"
import { caseText, printProgress } from "./progress.ts"

/** The figures of one contender in one case, and how the first contender stands to it. */
const rowOf = (cell: Cell, first: Cell, meanings: { readonly [name: string]: FigureMeaning }) => {
  const [main = "", ...others] = Object.keys(meanings)
  const summary = cell.figures[main]
  const mine = first.figures[main]
  if (summary === undefined || mine === undefined) return {}
  return {
    [`${main} (${meanings[main]?.unit})`]: number(summary.middle),
    spread: `${number(summary.low)} to ${number(summary.high)}`,
    [`${first.contender} to it`]: ratio(mine.middle / summary.middle),
    ...Object.fromEntries(
      others.map((name) => [`${name} (${meanings[name]?.unit})`, number(cell.figures[name]?.middle ?? Number.NaN)])
    )
  }
}

const print = (results: Results): void => {
  const cells = cellsOf(results)
  for (const { figures, name } of results.workloads) {
    const cases = groupBy(
      cells.filter(({ workload }) => workload === name),
      ({ mode, parameters }) => `${mode} ${keyOf(parameters)}`
    )
    for (const [, [first, ...others]] of cases) {
      if (first === undefined) continue
      console.log(`\n${name}: ${caseName(first.parameters)}, ${modeName[first.mode]}`)
      console.table(Object.fromEntries([first, ...others].map((cell) => [cell.contender, rowOf(cell, first, figures)])))
    }
  }
  for (const { contender, parameters, reason, workload } of results.omissions) {
    console.log(`left out: ${contender}, ${workload ?? "everywhere"} ${caseText(parameters)}: ${reason}`)
  }
}

const { out: _out, ...plan } = readArguments()
const results = await run(plan, printProgress)
print(results)
// Some of what is compared keeps timers.
process.exit(results.failures.length > 0 ? 1 : 0)
