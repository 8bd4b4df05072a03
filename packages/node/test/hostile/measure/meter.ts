/** Memory and processor time of another process, from /proc. */
import { readFileSync } from "node:fs"

/** Ticks of the processor clock in a second, on every Linux that Node runs on. */
const ticks = 100

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

/** Resident memory of a process, in MiB; 0 when it has ended. */
export const resident = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/u.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1_024

/** Processor time of a process so far, in milliseconds. */
export const processor = (pid: number): number => {
  const fields = read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? []
  return ((Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 1_000) / ticks
}

/** The share of one core that a process uses from now on, in percent, when it is asked. */
export const share = (pid: number): (() => number) => {
  const [time, used] = [performance.now(), processor(pid)]
  return () => (100 * (processor(pid) - used)) / (performance.now() - time)
}

/** The value at a share of the sorted values: 0.5 is the median. */
export const quantile = (values: ReadonlyArray<number>, at: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN
}
