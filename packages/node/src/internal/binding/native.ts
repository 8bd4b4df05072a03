/**
 * Loads the native QUIC binding when the first socket is bound, so that importing this package works everywhere and a
 * platform without a binary fails with a typed error.
 *
 * The binary is required straight from the package of the platform: the entry points of `@matrixai/quic` would load its class
 * layer too, and name no version and no file when they fail.
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as host from "./host.ts"
import { type Found, loadFailure, type LoadFailure, overrideVariable } from "./loadFailure.ts"
import { allPackages, packageFor } from "./platformPackages.ts"
import type { Config, Connection, Quiche } from "./quiche.ts"
import * as surface from "./surface.ts"

export type { LoadFailure, Quiche }

/** The binding's object for one QUIC connection. */
export type NativeConnection = Connection

/** The binding's object for TLS settings and transport parameters, which connections share. */
export type NativeConfig = Config

/** What loading depends on. A test replaces it to simulate another machine. */
export interface System {
  readonly host: () => host.Host
  /** The file of this module, or of the bundle that it has become a part of. */
  readonly file: string
  /** The value of the variable that names another binary, if it has one. */
  readonly override: string | undefined
  /** Where relative paths and package names in that variable start from. */
  readonly directory: string
  /** `createRequire` of `node:module`. */
  readonly createRequire: (file: string) => NodeJS.Require
}

/** A binding and where it is from. */
export interface Loaded {
  readonly quiche: Quiche
  readonly found: Found
}

/** Loads the binding of a system. Never throws. */
export const loadFrom = (system: System): Loaded | LoadFailure => {
  const { override } = system
  return override === undefined || override === "" ? loadPackage(system) : loadOverride(system, override)
}

/** Tells a loaded binding from a failure. */
export const isLoaded = (result: Loaded | LoadFailure): result is Loaded => "quiche" in result

const loadPackage = (system: System): Loaded | LoadFailure => {
  const at = system.host()
  const name = packageFor(at)
  if (name === undefined) return loadFailure({ _tag: "NotPublished", host: at })
  const require = system.createRequire(system.file)
  const file = resolved(require, name)
  if (file instanceof Error) {
    if (isBundled(system.file)) return loadFailure({ _tag: "Bundled", name, into: system.file, cause: file })
    const others = allPackages.filter((other) => !(resolved(require, other) instanceof Error))
    return loadFailure({ _tag: "NotInstalled", host: at, name, from: system.file, others, cause: file })
  }
  return loadFile(system, require, { name, version: versionBeside(file), file, isOverride: false })
}

/** A path, or the name of a package that the program has installed. */
const loadOverride = (system: System, override: string): Loaded | LoadFailure => {
  const require = system.createRequire(join(system.directory, "package.json"))
  const path = resolve(system.directory, override)
  const file = [path, override].map((each) => resolved(require, each)).find((each) => typeof each === "string")
  if (file === undefined) return loadFailure({ _tag: "OverrideMissing", override, path })
  const isPath = file === path || resolved(require, override) !== file
  return loadFile(system, require, {
    name: isPath ? undefined : override,
    version: isPath ? undefined : versionBeside(file),
    file,
    isOverride: true
  })
}

const loadFile = (system: System, require: NodeJS.Require, found: Found): Loaded | LoadFailure => {
  let binding: unknown
  let missing: ReadonlyArray<string>
  try {
    binding = isLibrary(found.file) ? openLibrary(found.file) : require(found.file)
    missing = surface.missing(binding)
  } catch (cause) {
    return loadFailure({ _tag: "Refused", host: system.host(), found, cause })
  }
  return missing.length === 0
    ? { quiche: binding as Quiche, found }
    : loadFailure({ _tag: "WrongSurface", found, missing })
}

/** What a compiler makes has the system's ending, and Node takes every file that does not end in `.node` for JavaScript. */
const isLibrary = (file: string): boolean => /\.(?:so|dylib|dll)$/iu.test(file)

const openLibrary = (file: string): unknown => {
  const module = { exports: {} }
  process.dlopen(module, file)
  return module.exports
}

const resolved = (require: NodeJS.Require, specifier: string): string | Error => {
  try {
    return require.resolve(specifier)
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause))
  }
}

/** The version in the manifest beside a package's binary. */
const versionBeside = (file: string): string | undefined => {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(file), "package.json"), "utf8"))
    const version = (manifest as { readonly version?: unknown } | null)?.version
    return typeof version === "string" ? version : undefined
  } catch {
    return undefined
  }
}

/** Whether a bundler has moved this module: it then has another file name. */
const isBundled = (file: string): boolean => !/^native\.[jt]s$/u.test(basename(file))

/** Deno throws where a permission is missing, and every runtime where the working directory is gone. */
const readOr = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

const workingDirectory = (): string => readOr(() => process.cwd(), "/")

/** This module's file. A bundle in CommonJS has no `import.meta.url`, but a name of its own. */
const ownFile = (): string => {
  const { url } = import.meta as { readonly url?: string | undefined }
  if (url !== undefined) return url.startsWith("file:") ? fileURLToPath(url) : join(workingDirectory(), "bundle.js")
  return typeof __filename === "string" ? __filename : join(workingDirectory(), "bundle.js")
}

/** What this process loads: the variable is the operator's, so it is read from the environment and not from a `ConfigProvider`. */
const current = (): System => ({
  host: host.current,
  file: ownFile(),
  // @effect-diagnostics-next-line processEnv:off
  override: readOr(() => process.env[overrideVariable], undefined),
  directory: workingDirectory(),
  createRequire
})

/** The binding of this process. What was found goes to the log at level Debug. */
export const load: Effect.Effect<Quiche, LoadFailure> = Effect.suspend(() => {
  const result = loadFrom(current())
  if (!isLoaded(result)) return Effect.fail(result)
  return Effect.as(Effect.annotateLogs(Effect.logDebug("loaded the QUIC binding"), { ...result.found }), result.quiche)
})
