import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import * as os from "node:os"
import type { Machine } from "./results.ts"

const compared = [
  "@qp2p/core",
  "@qp2p/node",
  "effect",
  "@matrixai/quic",
  "hyperdht",
  "libp2p",
  "@libp2p/tcp",
  "@chainsafe/libp2p-noise",
  "@chainsafe/libp2p-yamux",
  "@chainsafe/libp2p-quic"
]

const packageRoot = new URL("../../../", import.meta.url)

const textOf = (path: string | URL): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const versionOf = (name: string): string => {
  const manifest = textOf(new URL(`node_modules/${name}/package.json`, packageRoot))
  return manifest === undefined ? "not installed" : (JSON.parse(manifest) as { version: string }).version
}

const distribution = (): string =>
  /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(textOf("/etc/os-release") ?? "")?.[1] ?? os.type()

const git = (...args: ReadonlyArray<string>): string => {
  try {
    return execFileSync("git", args, { cwd: packageRoot, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
  } catch {
    return ""
  }
}

/** Reports and what measures do not change what is measured. */
const commit = (): string => {
  const head = git("rev-parse", "--short=12", "HEAD")
  if (head === "") return "unknown"
  return git("status", "--porcelain", "--", "../packages") === "" ? head : `${head}-dirty`
}

export const describeMachine = (): Machine => {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    distribution: distribution(),
    node: process.version,
    versions: Object.fromEntries(compared.map((name) => [name, versionOf(name)])),
    commit: commit()
  }
}
