import { defineConfig } from "vitest/config"
import workspace from "./vitest.workspace.ts"

/** For `npm run test:hostile`: attacks on a node in a process of its own, one after the other. */
export default defineConfig({
  ...workspace,
  test: {
    ...workspace.test,
    maxWorkers: 1,
    fileParallelism: false,
    projects: [
      {
        test: {
          name: "hostile",
          root: "packages/node/test/hostile",
          include: ["*.test.ts"],
          globalSetup: ["global.ts"],
          testTimeout: 240_000
        }
      }
    ]
  }
})
