import { defineConfig } from "vitest/config"
import workspace, { failingOnIdleTurns } from "./vitest.workspace.ts"

const conditions = ["@qp2p/source"]

/** For `npm run test:router`: the workspace, with the tests in network namespaces instead of those that run everywhere. */
export default defineConfig({
  ...workspace,
  test: {
    ...workspace.test,
    projects: [
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          name: "router",
          root: "packages/cli/router",
          include: ["*.test.ts"],
          ...failingOnIdleTurns,
          globalSetup: ["global.ts"],
          testTimeout: 60_000
        }
      }
    ]
  }
})
