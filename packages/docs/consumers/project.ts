/** A user's project: the packed packages, installed by npm, and programs that are written into it and run there. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { inject } from "vitest"
import { documents } from "../test/markdown.ts"

/** A command and its arguments. */
export type Command = readonly [string, ...ReadonlyArray<string>]

declare module "vitest" {
  interface ProvidedContext {
    /** What `scripts/consumers/global.mjs` has made. */
    readonly consumers: {
      /** A folder for everything, gone after the run. */
      readonly work: string
      /** The npm project that the tarballs are installed in. */
      readonly project: string
      readonly tarballs: ReadonlyArray<string>
      /** The command and first arguments of each tool. */
      readonly tools: Readonly<Record<"bun" | "deno" | "esbuild" | "rolldown", Command>>
      readonly npm: Command
    }
  }
}

export const consumers = inject("consumers")

/** Writes a file into the project; answers its path. */
export const write = (name: string, content: string): string => {
  const path = join(consumers.project, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

/** Without what this vitest tells its own children, and with the caches of the runtimes in the folder of this run. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(?:VITEST|TEST|NODE_ENV|NODE_OPTIONS|FORCE_COLOR|npm_|QP2P_)/u.test(name)
    )
  ),
  NO_COLOR: "1",
  DENO_DIR: join(consumers.work, "deno"),
  DENO_NO_UPDATE_CHECK: "1",
  BUN_INSTALL: join(consumers.work, "bun")
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  /** With what went to the standard error. */
  readonly output: string
}

/** Runs a command in the project, or in another folder, until it ends. */
export const run = async ([command, ...args]: Command, cwd: string = consumers.project): Promise<Ended> => {
  const child = spawn(command, args, {
    cwd,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 200_000,
    killSignal: "SIGKILL"
  })
  let output = ""
  let stdout = ""
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk
    output += chunk
  })
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk
  })
  const [code] = (await once(child, "close")) as [number | null]
  return { code, stdout, output }
}

export const node = (...args: ReadonlyArray<string>) => [process.execPath, ...args] as const

/** The first program of README.md: two endpoints, one message, `marco` on the standard output. */
export const marco = documents.find(({ path }) => path === "README.md")!.blocks[0]!.code

/** The same with `require`. */
export const marcoCommonJs = marco.replaceAll(/^import (\{.+\}) from (".+")$/gmu, "const $1 = require($2)")

/** Endpoints from layers, one of them a client that asks and is answered; `polo` on the standard output. */
export const layers = `
import { Endpoint } from "@qp2p/core"
import { NodeEndpoint } from "@qp2p/node"
import { Context, Effect, Layer, Option, Stream } from "effect"

const encode = (text) => new TextEncoder().encode(text)

const program = Effect.gen(function* () {
  const server = yield* Endpoint.Endpoint
  const built = yield* Layer.build(NodeEndpoint.layerClient({ localAddress: "127.0.0.1:0" }))
  const client = Context.get(built, Endpoint.Endpoint)
  const { receive, send } = yield* client.openBidirectionalStream(server.localAddress)
  const asking = yield* Effect.forkChild(send.sendMessage(encode("marco"), { fin: true }))
  const { reply } = yield* server.nextMessage
  yield* Option.getOrThrow(reply).sendMessage(encode("polo"), { fin: true })
  yield* Stream.runForEach(receive.messages, (answer) =>
    Effect.sync(() => console.log(new TextDecoder().decode(answer)))
  )
})

const live = NodeEndpoint.layer({ localAddress: "127.0.0.1:0" })
await Effect.runPromise(Effect.scoped(Effect.provide(program, live)))
`
