import { defineConfig } from "vitest/config"
import workspace, { failingOnIdleTurns } from "./vitest.workspace.ts"

const conditions = ["@qp2p/source"]

/** For `npm run test:interop`: the workspace, with the tests against another QUIC stack instead of those that need none. */
export default defineConfig({
  ...workspace,
  test: {
    ...workspace.test,
    projects: [
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          name: "interop",
          root: "packages/node/interop",
          include: ["*.test.ts"],
          ...failingOnIdleTurns,
          globalSetup: ["global.ts"],
          testTimeout: 60_000,
          maxConcurrency: 10
        }
      }
    ]
  }
})
