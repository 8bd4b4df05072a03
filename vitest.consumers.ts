import { defineConfig } from "vitest/config"
import workspace from "./vitest.workspace.ts"

/**
 * For `npm run test:consumers` and `npm run test:browser`: what users get, in the runtimes and bundlers that they have. These
 * tests use what is built.
 */
export default defineConfig({
  ...workspace,
  test: {
    ...workspace.test,
    projects: [
      {
        test: {
          name: "consumers",
          root: "packages/docs/consumers",
          include: ["*.test.ts"],
          globalSetup: ["../../../scripts/consumers/global.mjs"],
          // Package managers and bundlers take what a busy machine gives them.
          testTimeout: 240_000
        }
      },
      {
        test: {
          name: "browser",
          root: "packages/docs/browser",
          include: ["*.test.ts"],
          globalSetup: ["../../../scripts/consumers/browser.mjs"],
          testTimeout: 120_000,
          hookTimeout: 120_000
        }
      }
    ]
  }
})
