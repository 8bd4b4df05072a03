/** The relay's own process: `node relayProcess.js TASK`, with IPC to who started it, and ends with it. */
import type { RelayAnswer, RelayTask } from "./relay.ts"
import { openTcpRelay } from "./tcpRelay.ts"
import { openUdpRelay } from "./udpRelay.ts"

const say = (answer: RelayAnswer) => process.send?.(answer)

const { target, options } = JSON.parse(process.argv[2] ?? "{}") as RelayTask
const running =
  options.carrier === "udp" ? await openUdpRelay(target, options, options.seed) : await openTcpRelay(target, options)

process.on("message", () => say({ counts: running.counts() }))
process.on("disconnect", () => {
  running.close()
  process.exit()
})
say({ port: running.port })
