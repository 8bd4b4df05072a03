/**
 * The platform of this process: what decides which native binary fits.
 */

/** The C library of a Linux system. */
export interface Libc {
  readonly name: "glibc" | "musl"
  /** Such as "2.36"; musl does not say. */
  readonly version: string | undefined
}

/** The operating system, processor and C library that a native binary has to match. */
export interface Host {
  /** `process.platform`. */
  readonly platform: string
  /** `process.arch`. */
  readonly arch: string
  /** Undefined where it is not known, and on other systems than Linux. The first read may take milliseconds. */
  readonly libc: Libc | undefined
}

/** The part of Node's diagnostic report that identifies the C library. */
interface Report {
  readonly header?: { readonly glibcVersionRuntime?: unknown }
  readonly sharedObjects?: ReadonlyArray<unknown>
}

/** What a diagnostic report says of the C library: glibc tells its version, musl shows as the loader `ld-musl-x86_64.so.1`. */
export const libcOf = ({ header, sharedObjects = [] }: Report): Libc | undefined => {
  const version = header?.glibcVersionRuntime
  if (typeof version === "string") return { name: "glibc", version }
  return sharedObjects.some((file) => typeof file === "string" && /ld-musl-|libc\.musl-/u.test(file))
    ? { name: "musl", version: undefined }
    : undefined
}

/** Takes milliseconds, because Node makes a whole diagnostic report. Never throws. */
const readLibc = (): Libc | undefined => {
  try {
    // Other runtimes than Node may have no reports.
    const { report } = process as { readonly report?: NodeJS.ProcessReport & { excludeNetwork?: boolean } }
    if (process.platform !== "linux" || report === undefined) return undefined
    // Otherwise names are looked up for every socket that is open.
    const before = report.excludeNetwork ?? false
    report.excludeNetwork = true
    try {
      return libcOf(report.getReport())
    } finally {
      report.excludeNetwork = before
    }
  } catch {
    return undefined
  }
}

let ownLibc: { readonly value: Libc | undefined } | undefined

/**
 * The host of this process. `libc` is read when it is first asked for, and only once: a failure to load names it, a load that
 * succeeds does not.
 */
export const current = (): Host => ({
  platform: process.platform,
  arch: process.arch,
  get libc() {
    ownLibc ??= { value: readLibc() }
    return ownLibc.value
  }
})

/** Such as `linux-x64 (glibc 2.36)`. */
export const format = ({ arch, libc, platform }: Host): string => {
  const system = `${platform}-${arch}`
  if (libc === undefined) return system
  return `${system} (${libc.name}${libc.version === undefined ? "" : ` ${libc.version}`})`
}

/** Whether the dotted version `one` is lower than `other`. */
export const isOlder = (one: string, other: string): boolean => {
  const [a, b] = [one, other].map((text) => text.split(".").map(Number)) as [Array<number>, Array<number>]
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
