/** The table of `test-hostile.mjs`: times are in milliseconds, memory in MiB, processor use in percent of one core. */

const columns = [
  ["attack", ({ attack }) => attack],
  ["node", ({ death }) => death ?? "alive"],
  ["p99 before", ({ honest }) => whole(honest.idleP99)],
  ["p50", ({ honest }) => whole(honest.p50)],
  ["p99", ({ honest }) => whole(honest.p99)],
  ["worst", ({ honest }) => whole(honest.worst)],
  ["lost", ({ honest }) => `${honest.lost}/${honest.asked}`],
  ["messages lost", ({ pushes }) => `${Math.max(0, pushes.sent - pushes.received)}/${pushes.sent}`],
  ["newcomers", ({ newcomers }) => `${newcomers.tried - newcomers.refused}/${newcomers.tried}`],
  ["MiB idle", ({ memory }) => whole(memory.idle)],
  ["peak", ({ memory }) => whole(memory.peak)],
  ["after", ({ memory }) => `${whole(memory.after)} (${whole(memory.seconds)} s)`],
  ["cpu % idle", ({ processor }) => whole(processor.idle)],
  ["during", ({ processor }) => whole(processor.during)],
  ["after", ({ processor }) => whole(processor.after)],
  ["log lines", ({ logLines }) => `${logLines}`],
  [
    "facts",
    ({ facts }) =>
      Object.entries(facts)
        .map(([name, value]) => `${name} ${short(value)}`)
        .join(", ")
  ]
]

const whole = (value) => (Number.isFinite(value) ? value.toFixed(0) : "-")
const short = (value) => `${Math.round(value * 100) / 100}`

/** The table as text, as Markdown has it. */
export const table = (results) => {
  const rows = [columns.map(([title]) => title), ...results.map((each) => columns.map(([, of]) => of(each)))]
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  const line = (row) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`
  return [line(rows[0]), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)].join("\n")
}
