/**
 * Why the native binding did not load, in sentences for the person who runs the program.
 */
import { format, type Host } from "./host.ts"
import { oldestGlibc, unsupported } from "./platformPackages.ts"

/** The environment variable that names another binary: a path, or the name of an installed package. */
export const overrideVariable = "QP2P_QUICHE_BINDING"

/** A binary that was found. */
export interface Found {
  /** Undefined for a file that belongs to no package. */
  readonly name: string | undefined
  readonly version: string | undefined
  readonly file: string
  /** Whether `QP2P_QUICHE_BINDING` named it. */
  readonly isOverride: boolean
}

/** The cause of a load failure, by the step that failed, with what its sentence needs. */
export type Why =
  | { readonly _tag: "NotPublished"; readonly host: Host }
  | {
      readonly _tag: "NotInstalled"
      readonly host: Host
      readonly name: string
      /** The file that looked for it. */
      readonly from: string
      /** Packages of other platforms that are installed there. */
      readonly others: ReadonlyArray<string>
      readonly cause: Error
    }
  | { readonly _tag: "Bundled"; readonly name: string; readonly into: string; readonly cause: Error }
  | { readonly _tag: "OverrideMissing"; readonly override: string; readonly path: string }
  | { readonly _tag: "Refused"; readonly host: Host; readonly found: Found; readonly cause: unknown }
  | { readonly _tag: "WrongSurface"; readonly found: Found; readonly missing: ReadonlyArray<string> }

/** A load failure: its cause, a clause that explains it to the operator, and the error of the runtime. */
export interface LoadFailure {
  readonly why: Why
  /** A clause that begins in lower case and ends without a full stop. */
  readonly detail: string
  readonly cause: unknown
}

/** Makes a load failure from its cause. The clause names the package, the platform and the remedy. */
export const loadFailure = (why: Why): LoadFailure => {
  const detail = detailOf(why)
  return { why, detail, cause: "cause" in why ? why.cause : new Error(detail) }
}

const guide = (section: string) => `see "${section}" in docs/platforms.md of @qp2p/node`

const detailOf = (why: Why): string => {
  switch (why._tag) {
    case "NotPublished":
      return `no published binary of the QUIC binding fits ${format(why.host)}: ${unsupported(why.host) ?? "unknown"}; ${build}`
    case "NotInstalled":
      return `the QUIC binding for ${format(why.host)} is not installed: ${why.from} finds no ${why.name}; ${whyNot(why.others)}; ${guide("When the binding does not load")}`
    case "Bundled":
      return `the QUIC binding cannot be bundled: ${why.into} finds no ${why.name}; leave @qp2p/node out of the bundle and install it where the bundle runs, or install ${why.name} there; ${guide("Bundlers")}`
    case "OverrideMissing":
      return `${overrideVariable} is ${JSON.stringify(why.override)}: there is no file ${why.path}, and no such package is installed`
    case "Refused":
      return `the system does not load the QUIC binding ${nameOf(why.found)} on ${format(why.host)}: ${hintOf(why.host, why.found, why.cause)}`
    case "WrongSurface":
      return `${nameOf(why.found)} is not the QUIC binding that this package works with: it has no ${listed(why.missing)}`
  }
}

const build = `build one and name its file in ${overrideVariable}; ${guide("Build the binding")}`

const whyNot = (others: ReadonlyArray<string>): string =>
  others.length > 0
    ? `${others.join(" and ")} is there, so this node_modules was installed on or for another system: install again`
    : "either optional dependencies were left out (--omit=optional, --no-optional), or the lockfile or the package manager's supportedArchitectures knows other systems only"

const nameOf = ({ file, isOverride, name, version }: Found): string => {
  const title = name === undefined ? file : `${name}${version === undefined ? "" : ` ${version}`} (${file})`
  return isOverride ? `${title}, named by ${overrideVariable},` : title
}

/** The text of what a module has thrown, which may be any value. */
const messageOf = (cause: unknown): string => {
  try {
    return String(cause instanceof Error ? cause.message : cause)
  } catch {
    return "it throws a value without a text"
  }
}

/** What the system's refusal comes from, as far as it shows, and the refusal itself. */
const hintOf = (host: Host, found: Found, cause: unknown): string => {
  const message = messageOf(cause)
  const code = (cause as NodeJS.ErrnoException | null | undefined)?.code
  const hint = hintFor(host, found, message, code)
  const told = message.split("\n")[0]!
  return hint === undefined ? `${told}; ${guide("When the binding does not load")}` : `${hint} (${told})`
}

const hintFor = (host: Host, found: Found, message: string, code: string | undefined): string | undefined => {
  if (code === "ERR_DLOPEN_DISABLED") {
    return "this process may not load native addons: start Node without --no-addons, and with --allow-addons under --permission"
  }
  // Deno's words.
  if (/requires ffi access|requires .*--allow-ffi/iu.test(message)) return "Deno needs --allow-ffi"
  if (!found.isOverride) {
    const misfit = unsupported(host)
    if (misfit !== undefined) return `${misfit}; ${build}`
  }
  const glibc = /GLIBC_([\d.]+)['` ]/u.exec(message)?.[1]
  if (glibc !== undefined) return `it needs glibc ${found.isOverride ? glibc : oldestGlibc} or newer; ${build}`
  if (/specified module could not be found/iu.test(message)) {
    return "a library that it needs is missing: install the Microsoft Visual C++ Redistributable (VCRUNTIME140.dll)"
  }
  // glibc says of a file for another processor that there is none.
  if (foreign.test(message) || message.startsWith(`${found.file}: cannot open shared object file`)) {
    return "the file is made for another system or processor, or is damaged"
  }
  return needed.test(message) ? "a library that it needs is missing" : undefined
}

const foreign =
  /not a valid win32 application|bad exe format|not compatible with the version of windows|incompatible architecture|wrong architecture|invalid ELF header|file too short|wrong ELF class|exec format|mach-o/iu
const needed = /cannot open shared object file|Error loading shared library|Library not loaded/iu

const most = 5

const listed = (names: ReadonlyArray<string>): string =>
  names.length <= most
    ? names.join(", ")
    : `${names.slice(0, most).join(", ")} and ${names.length - most} more of the methods that it needs`
