/** Runs programs: other scripts, and the tools under `node_modules`. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { constants } from "node:os"
import { fileURLToPath } from "node:url"

/** The checkout, whatever directory a script was started from. */
export const root = fileURLToPath(new URL("..", import.meta.url))

/** The command lines of the tools under `node_modules`, to be started with the Node that runs this script. */
export const tools = {
  attw: "node_modules/@arethetypeswrong/cli/dist/index.js",
  effect: "node_modules/@effect/tsgo/dist/effect-tsgo.cjs",
  publint: "node_modules/publint/src/cli.js",
  tsc: "node_modules/typescript/bin/tsc",
  vitest: "node_modules/vitest/vitest.mjs"
}

const exitCode = (code, signal) => code ?? 128 + constants.signals[signal]

/**
 * Runs a command in the checkout and resolves to its exit code; it shares this terminal.
 *
 * A terminal sends Ctrl-C to both processes: this one waits, so that the command can end its own way.
 */
export const run = (command, args, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options })
    const wait = () => {}
    const pass = (signal) => child.kill(signal)
    process.on("SIGINT", wait)
    process.on("SIGTERM", pass)
    const done = () => {
      process.off("SIGINT", wait)
      process.off("SIGTERM", pass)
    }
    child.on("error", (error) => {
      done()
      reject(error)
    })
    child.on("close", (code, signal) => {
      done()
      resolve(exitCode(code, signal))
    })
  })

/** As `run`, but resolves to `{ code, output, stdout }` and prints nothing. */
export const capture = async (command, args, options = {}) => {
  let output = ""
  let stdout = ""
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options })
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    stdout += chunk
    output += chunk
  })
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    output += chunk
  })
  const [code, signal] = await once(child, "close")
  return { code: exitCode(code, signal), output, stdout }
}

/** Runs one of the `tools`; see `run`. */
export const runTool = (tool, args, options) => run(process.execPath, [tools[tool], ...args], options)

/** Runs one of the `tools` quietly; see `capture`. */
export const captureTool = (tool, args, options) => capture(process.execPath, [tools[tool], ...args], options)

/** Ends the script with the exit code of a step that failed. */
export const mustSucceed = (code) => {
  if (code !== 0) process.exit(code)
}
