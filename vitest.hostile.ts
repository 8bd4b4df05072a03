import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import workspace from "./vitest.workspace.ts"

const project = (name: string, root: string) => ({
  test: {
    name,
    root,
    include: ["*.test.ts"],
    globalSetup: [fileURLToPath(new URL("packages/node/test/hostile/global.ts", import.meta.url))],
    testTimeout: 240_000
  }
})

/** For `npm run test:hostile`: attacks on a node in a process of its own, one after the other. */
export default defineConfig({
  ...workspace,
  test: {
    ...workspace.test,
    maxWorkers: 1,
    fileParallelism: false,
    projects: [project("hostile", "packages/node/test/hostile"), project("hostile-rpc", "packages/rpc/test/hostile")]
  }
})
