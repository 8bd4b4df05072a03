/**
 * The network of an attack: a namespace with a loopback interface whose addresses are all local, or, where no namespace
 * can be had, the loopback addresses of this machine.
 */
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"

export interface Network {
  /** The command that runs another one in this network; empty for the machine's own. */
  readonly inside: ReadonlyArray<string>
  readonly node: string
  readonly honest: string
  readonly newcomer: string
  readonly victim: string
  /** The first three numbers of the attackers' addresses. */
  readonly attackers: string
  /** Why source addresses cannot be forged here; undefined if they can. */
  readonly noSpoofing: string | undefined
  readonly remove: () => void
}

const addresses = (prefix: string) => ({
  node: `${prefix}.0.1`,
  honest: `${prefix}.1.1`,
  newcomer: `${prefix}.2.1`,
  victim: `${prefix}.3.1`,
  attackers: `${prefix}.4`
})

const succeeds = (command: string, ...args: ReadonlyArray<string>): string | undefined => {
  try {
    execFileSync(command, args, { stdio: "pipe" })
    return undefined
  } catch (cause) {
    return `${command}: ${String(cause instanceof Error ? cause.message : cause).split("\n")[0]}`
  }
}

/** Removes the namespaces of processes that were killed. */
const sweep = (): void => {
  try {
    const names = execFileSync("ip", ["netns", "list"], { encoding: "utf8", stdio: "pipe" })
    for (const [name, pid] of names.matchAll(/^qp2p-(\d+)-hostile-\w+/gmu)) {
      if (!existsSync(`/proc/${pid}`)) succeeds("ip", "netns", "delete", name)
    }
  } catch {
    // There are none without the command.
  }
}

/** Makes the network. The namespace is gone after `remove`. */
export const make = (): Network => {
  sweep()
  const name = `qp2p-${process.pid}-hostile-${randomBytes(3).toString("hex")}`
  const failed =
    process.getuid?.() === 0 ? succeeds("ip", "netns", "add", name) : "only root may make network namespaces"
  if (failed === undefined) {
    const run = ["ip", "netns", "exec", name]
    const python = succeeds("python3", "--version")
    const up =
      succeeds("ip", "-n", name, "link", "set", "lo", "up") ??
      // On this interface a prefix is local as a whole.
      succeeds("ip", "-n", name, "address", "add", "10.18.0.0/16", "dev", "lo")
    const remove = () => void succeeds("ip", "netns", "delete", name)
    if (up === undefined) return { ...addresses("10.18"), inside: run, noSpoofing: python, remove }
    remove()
  }
  return { ...addresses("127.18"), inside: [], noSpoofing: failed ?? "no namespaces here", remove: () => {} }
}
