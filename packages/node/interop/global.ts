/** Around all files: the peers are built from their sources, once. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** The program that `QuicGo.ts` starts. */
    readonly quicGo: string
  }
}

export const setup = (project: TestProject) => {
  const folder = mkdtempSync(join(tmpdir(), "qp2p-interop-"))
  const program = join(folder, "quic-go")
  execFileSync("go", ["build", "-mod=readonly", "-o", program, "."], {
    env: { ...process.env, GOTOOLCHAIN: "local" },
    cwd: fileURLToPath(new URL("quic-go", import.meta.url)),
    stdio: "inherit"
  })
  project.provide("quicGo", program)
  return () => rmSync(folder, { recursive: true, force: true })
}
