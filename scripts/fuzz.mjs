/**
 * Fuzzes the parsers of what strangers send: hands them mutations of the saved inputs, each target for a time.
 *
 * `--seconds N` is the time for each target, by default 60. `--seed N` repeats a run. `--keep` also saves inputs of which
 * something new came. Further arguments go on to vitest: `packetHeader` fuzzes only the files with this word in their path.
 *
 * What fails is saved, as small as it could be made, to the target's corpus, and fails the tests until it is mended.
 */
import { install } from "./install.mjs"
import { runTool } from "./process.mjs"

const args = process.argv.slice(2)

/** Takes an option out of the arguments, and returns what follows it. */
const take = (name, values) => {
  const at = args.indexOf(name)
  return at === -1 ? undefined : (args.splice(at, 1 + values)[values] ?? "")
}

const seconds = take("--seconds", 1) ?? "60"
const seed = take("--seed", 1)
const keep = take("--keep", 0) !== undefined
if (!(Number(seconds) > 0) || (seed !== undefined && !Number.isInteger(Number(seed)))) {
  console.error("usage: npm run fuzz -- [--seconds N] [--seed N] [--keep] [part of a path]")
  process.exitCode = 2
} else {
  await install()
  const env = {
    ...process.env,
    QP2P_FUZZ_SECONDS: seconds,
    ...(seed === undefined ? {} : { QP2P_FUZZ_SEED: seed }),
    ...(keep ? { QP2P_FUZZ_KEEP: "1" } : {})
  }
  const files = args.filter((arg) => !arg.startsWith("-")).map((part) => `${part}.fuzz.test.ts`)
  const options = args.filter((arg) => arg.startsWith("-"))
  process.exitCode = await runTool(
    "vitest",
    ["run", "--config", "vitest.workspace.ts", ...options, ...(files.length > 0 ? files : [".fuzz.test.ts"])],
    { env }
  )
}
