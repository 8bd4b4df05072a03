/**
 * Port forwarding through a real router: miniupnpd in network namespaces. Where that cannot be had, says why in one line
 * and succeeds. Arguments go on to vitest.
 */
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { install } from "./install.mjs"
import { capture, mustSucceed, runTool } from "./process.mjs"

const isInstalled = (name) => (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, name)))

/** Why these tests cannot run here; nothing if they can. */
const obstacle = async () => {
  if (process.platform !== "linux") return "network namespaces are Linux's"
  if (process.getuid() !== 0) return "only root may make network namespaces"
  const missing = ["ip", "nft", "miniupnpd"].filter((name) => !isInstalled(name))
  if (missing.length > 0) {
    return `${missing.join(", ")} not found (on Debian: apt-get install iproute2 nftables miniupnpd)`
  }
  // Root in a container may have less to say than root. A process that is killed here leaves a name for the next run's sweep.
  const name = `qp2p-${process.pid}-probe`
  const made = await capture("ip", ["netns", "add", name])
  const tried = made.code === 0 ? await capture("ip", ["netns", "exec", name, "nft", "list", "ruleset"]) : made
  if (made.code === 0) await capture("ip", ["netns", "delete", name])
  return tried.code === 0 ? undefined : `no network namespaces here: ${tried.output.trim().split("\n")[0]}`
}

const reason = await obstacle()
if (reason === undefined) {
  await install()
  mustSucceed(await runTool("tsc", ["-b", "packages/cli/tsconfig.src.json"]))
  const args = ["run", "--config", "vitest.router.ts", ...process.argv.slice(2)]
  process.exitCode = await runTool("vitest", args)
} else {
  console.log(`test:router is skipped: ${reason}`)
}
