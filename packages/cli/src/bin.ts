#!/usr/bin/env node
/**
 * The executable `qp2p`.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as MutableRef from "effect/MutableRef"
import * as Runtime from "effect/Runtime"
import { exitCodes } from "./Failure.ts"
import { main } from "./main.ts"
import { OnSignal } from "./OnSignal.ts"

// Whoever read our output is gone (`qp2p node | head`): end as if told to, not with a stack trace.
process.stdout.on("error", () => process.kill(process.pid, "SIGTERM"))
process.stderr.on("error", () => {})

const onSignal = MutableRef.make<number>(exitCodes.interrupted)

main(process.argv.slice(2)).pipe(
  Effect.provideService(OnSignal, onSignal),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) =>
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
        ? onExit(MutableRef.get(onSignal))
        : Runtime.defaultTeardown(exit, onExit)
  })
)
