/**
 * Programs that the model has found to fail, each shrunk to what mattered: see `model/check.ts`.
 */
import { describe, it } from "@effect/vitest"
import { runProgramLive } from "./model/check.ts"
import * as steps from "./model/steps.ts"

describe("on the real driver", () => {
  it("answers to a stream that was given up do not come out as messages", () =>
    runProgramLive({ size: 2 }, [steps.stream(0, 1, [4, 65_477, 29], "now", "reset"), steps.sendMessage(0, 1, 1_000)]))
})
