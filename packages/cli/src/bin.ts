#!/usr/bin/env node
/** The executable `qp2p`. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { leaveOutWarnings } from "./internal/nodeWarnings.ts"
import { runMain } from "./internal/runMain.ts"
import { main } from "./main.ts"
import * as OnSignal from "./OnSignal.ts"

leaveOutWarnings(process)

const ending = OnSignal.make()

runMain(
  main(process.argv.slice(2)).pipe(
    Effect.provideService(OnSignal.OnSignal, ending),
    Effect.provide(NodeServices.layer)
  ),
  { ending }
)
