/** The core runs in a browser: a bundle without a module of Node's, and two endpoints of it in headless Chromium. */
import { assert, beforeAll, describe, inject, it } from "vitest"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Report } from "./page.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** What `scripts/consumers/browser.mjs` has found. */
    readonly browser: {
      readonly work: string
      readonly chromium: string
      readonly esbuild: readonly [string, ...ReadonlyArray<string>]
    }
  }
}

const { chromium, esbuild, work } = inject("browser")
const here = fileURLToPath(new URL(".", import.meta.url))
const bundle = join(work, "page.js")
const metafile = join(work, "page.json")

interface Metafile {
  readonly inputs: Readonly<Record<string, { readonly imports: ReadonlyArray<{ readonly path: string }> }>>
  readonly outputs: Readonly<Record<string, { readonly imports: ReadonlyArray<{ readonly path: string }> }>>
}

/** For the browser esbuild knows no module of Node's, and nothing is left outside of the bundle. */
beforeAll(() => {
  const [command, ...before] = esbuild
  const flags = ["--bundle", "--platform=browser", "--format=esm", "--target=es2023", "--log-level=warning"]
  const files = [`--outfile=${bundle}`, `--metafile=${metafile}`]
  const { output, status } = spawnSync(command, [...before, "page.ts", ...flags, ...files], {
    cwd: here,
    encoding: "utf8"
  })
  assert.strictEqual(status, 0, output.join(""))
})

/** Serves the page, and hands over what it posts and the name of the browser. */
const serve = (onReport: (report: Report, browser: string) => void): Server =>
  createServer((request, response) => {
    const send = (type: string, body: string) => response.setHeader("content-type", type).end(body)
    if (request.url === "/") send("text/html", `<!doctype html><script type="module" src="/page.js"></script>`)
    else if (request.url === "/page.js") send("text/javascript", readFileSync(bundle, "utf8"))
    else if (request.url === "/report") {
      let body = ""
      request.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk
      })
      request.on("end", () => {
        send("text/plain", "")
        onReport(JSON.parse(body) as Report, request.headers["user-agent"] ?? "")
      })
    } else response.writeHead(404).end()
  })

/** Only root, in a container say, has to do without the sandbox. */
const flags = [
  "--headless=new",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  `--user-data-dir=${join(work, "profile")}`,
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])
]

/** Has the browser open the page. What is started ends by `stop`, whatever becomes of the page. */
const open = () => {
  let stop = async (): Promise<void> => {}
  const reported = new Promise<{ readonly report: Report; readonly browser: string }>((resolve, reject) => {
    const server = serve((report, browser) => resolve({ report, browser }))
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      const child = spawn(chromium, [...flags, `http://127.0.0.1:${port}/`], { stdio: ["ignore", "ignore", "pipe"] })
      let output = ""
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk
      })
      child.on("error", reject)
      const ended = once(child, "close")
      void ended.then(([code]) => reject(new Error(`${chromium} ended with ${code}\n${output}`)))
      stop = async () => {
        child.kill()
        await ended
        server.closeAllConnections()
        server.close()
      }
    })
  })
  return { reported, stop: () => stop() }
}

describe("in a browser", () => {
  it("the bundle of the core and the memory transport has no module of Node's and no driver", () => {
    const { inputs, outputs } = JSON.parse(readFileSync(metafile, "utf8")) as Metafile
    assert.isTrue(Object.keys(inputs).some((input) => input.includes("core/dist/Endpoint.js")))
    const strangers = /platform-node|matrixai|packages\/(?:node|upnp|cli)\//u
    assert.deepStrictEqual(
      Object.keys(inputs).filter((input) => strangers.test(input)),
      []
    )
    const imports = [...Object.values(inputs), ...Object.values(outputs)].flatMap(({ imports }) => imports)
    assert.deepStrictEqual(
      imports.filter(({ path }) => path.startsWith("node:")),
      []
    )
    assert.deepStrictEqual(
      Object.values(outputs).flatMap(({ imports }) => imports),
      []
    )
  })

  it("two endpoints exchange messages, ask and answer, and hear of the end", async ({ onTestFinished }) => {
    const { reported, stop } = open()
    onTestFinished(stop)
    const { browser, report } = await reported
    const { failure, happened } = report
    assert.isUndefined(failure)
    assert.match(browser, /Chrome\//u)
    assert.deepStrictEqual(happened, [
      "bob's contact sees him at 10.0.0.2:2",
      "bob heard marco",
      "alice heard polo",
      "bob got 1000000 bytes, the same",
      "bob answered hello yourself",
      "alice lost 10.0.0.2:2"
    ])
  })
})
