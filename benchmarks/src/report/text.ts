/** Numbers, names of cases and tables, as the report writes them. */
import type { Parameters } from "../measuring/results.ts"

/** Three digits that matter, and no more than that. */
export const number = (value: number): string => {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  const digits = size === 0 || size >= 100 ? 0 : Math.min(6, 2 - Math.floor(Math.log10(size)))
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: digits })
}

export const ratio = (value: number): string => `${number(value)} ×`

/** Bytes that are a power of two times 1,024 have names. */
export const bytes = (value: number): string => {
  const units = ["B", "KiB", "MiB", "GiB"]
  const unit = [3, 2, 1].find((unit) => value >= 1024 ** unit && value % 1024 ** unit === 0) ?? 0
  return `${number(value / 1024 ** unit)} ${units[unit]}`
}

const spoken: { readonly [name: string]: (value: number) => string } = {
  size: bytes,
  inFlight: (value) => `${number(value)} in flight`,
  maxUdpPayload: (value) => `payload ${number(value)} B`,
  bytes: (value) => `${bytes(value)} in all`,
  atOnce: (value) => `${number(value)} at once`,
  seconds: (value) => `${number(value)} s`
}

/** One case of a workload, told in words. */
export const caseName = (parameters: Parameters): string => {
  const parts = Object.entries(parameters).map(([name, value]) => {
    if (typeof value === "string") return value
    return spoken[name]?.(value) ?? `${number(value)} ${name}`
  })
  return parts.length === 0 ? "all" : parts.join(", ")
}

const escape = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ")

/** A Markdown table: words to the left, figures to the right, padded so that it can be read as text. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>, words = 1): string => {
  const cells = [head, ...rows].map((row) => row.map(escape))
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) => {
    const padded = widths.map((width, column) => {
      const cell = row[column] ?? ""
      return column < words ? cell.padEnd(width) : cell.padStart(width)
    })
    return `| ${padded.join(" | ")} |`
  }
  const rule = widths.map((width, column) => (column < words ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  const [first = [], ...others] = cells
  return [line(first), line(rule), ...others.map(line)].join("\n")
}

/** What opens when it is wanted. */
export const details = (summary: string, content: string): string =>
  `<details>\n<summary>${summary}</summary>\n\n${content}\n\n</details>`
