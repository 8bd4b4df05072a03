/**
 * The npm packages that hold the native binary, one for each platform. They are optional dependencies of this package, in
 * the versions of its manifest; npm installs those whose `os` and `cpu` fit.
 */
import { type Host, isOlder } from "./host.ts"

/** The oldest glibc that the binary for Linux loads with. */
export const oldestGlibc = "2.34"

/**
 * The platforms that have a package. A universal package for macOS exists as well; it has both binaries of macOS in one file,
 * and a program with the two packages of this list does not need it.
 */
const platforms: ReadonlyArray<string> = ["linux-x64", "darwin-arm64", "darwin-x64", "win32-x64"]

const prefix = "@matrixai/quic-"

/** Every package, of all platforms. */
export const allPackages: ReadonlyArray<string> = platforms.map((platform) => prefix + platform)

/** The package whose binary is made for a platform; undefined where there is none. */
export const packageFor = ({ arch, platform }: Pick<Host, "arch" | "platform">): string | undefined =>
  allPackages.find((name) => name === `${prefix}${platform}-${arch}`)

/** Why no published binary fits the host, in a clause; undefined when one should. */
export const unsupported = (host: Host): string | undefined => {
  const { libc } = host
  if (packageFor(host) === undefined) {
    return host.platform === "win32" && host.arch === "arm64"
      ? "there is none for Windows on ARM, where the x64 build of Node can be used instead"
      : `there is none for ${host.platform}-${host.arch}`
  }
  if (libc?.name === "musl") return "the one for Linux needs glibc, and this system has musl"
  if (libc?.name === "glibc" && libc.version !== undefined && isOlder(libc.version, oldestGlibc)) {
    return `the one for Linux needs glibc ${oldestGlibc} or newer, and this system has ${libc.version}`
  }
  return undefined
}
