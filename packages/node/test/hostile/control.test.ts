import { it } from "vitest"
import { attacked } from "./measure/attacked.ts"

it("without an attack, the node and the honest peer go on as before", () => attacked("nothing"))
