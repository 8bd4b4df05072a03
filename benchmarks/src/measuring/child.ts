/**
 * A process that is measured: `node child.js TASK`, with IPC to the parent. It holds one end or both, and is ended by its
 * parent; nothing in it is used twice.
 */
import type { Contender, Counts, Listener } from "../contender.ts"
import { loadContender } from "../contenders/registry.ts"
import type { Context, Resources, Side } from "../workload.ts"
import { workloadOf } from "../workloads/registry.ts"
import { Profiler } from "./profiler.ts"
import { type Answer, type FromChild, type FromParent, profileOf, type Question, type Task } from "./protocol.ts"

const task = JSON.parse(process.argv[2] ?? "") as Task

const tell = (message: FromChild): Promise<void> =>
  new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)))
  })

const fail = (error: unknown): void => {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const end = () => process.exit(1)
  tell({ kind: "failed", reason }).then(end, end)
}
process.on("uncaughtException", fail)
process.on("unhandledRejection", fail)

let profiler: Profiler | undefined
const profile = () => {
  if (task.profileTo !== undefined) profiler = new Profiler()
}
process.on("disconnect", () => {
  if (task.profileTo !== undefined) profiler?.write(profileOf(task.profileTo, task))
  process.exit(0)
})

const resources = async ({ collect = false }: { readonly collect?: boolean } = {}): Promise<Resources> => {
  if (collect) {
    // What finalizers let go of is garbage only now.
    for (let i = 0; i < 2; i++) {
      globalThis.gc?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const { external, heapUsed, rss } = process.memoryUsage()
  const { system, user } = process.cpuUsage()
  return { rss, heapUsed, external, cpu: user + system }
}

const near: Side = { resources }

const answerOf = (question: Question, listener: Listener): Promise<Answer> =>
  question.about === "counts" ? Promise.resolve(listener.counts()) : resources(question)

/** Asks the listener's process through the parent; one question at a time. */
const ask = (question: Question): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const onMessage = (message: FromParent) => {
      if (message.kind !== "answer") return
      process.off("message", onMessage)
      resolve(message.answer)
    }
    process.on("message", onMessage)
    tell({ kind: "question", question }).catch(reject)
  })

const farOver: Context["far"] = {
  counts: async () => (await ask({ about: "counts" })) as Counts,
  resources: async (options) => (await ask({ about: "resources", collect: options?.collect ?? false })) as Resources
}

const untilToldToDial = (): Promise<string> =>
  new Promise((resolve) => {
    const onMessage = (message: FromParent) => {
      if (message.kind !== "dial") return
      process.off("message", onMessage)
      resolve(message.address)
    }
    process.on("message", onMessage)
  })

const run = async (contender: Contender, address: string, far: Context["far"]): Promise<void> => {
  const { mode, options, parameters, scale, seconds } = task
  const context = { contender, address, options, parameters, mode, scale, seconds, near, far }
  if (task.role === "dialler") profile()
  const figures = await workloadOf(task.workload).run(context)
  await tell({ kind: "figures", figures })
}

const main = async (): Promise<void> => {
  const told = untilToldToDial()
  const contender = await loadContender(task.contender)
  if (contender.unavailable !== undefined) throw new Error(contender.unavailable)
  if (task.role === "dialler") {
    await tell({ kind: "ready" })
    return run(contender, await told, farOver)
  }
  const listener = await contender.listen(task.options)
  if (task.role === "listener") {
    process.on("message", (message: FromParent) => {
      if (message.kind !== "question") return
      answerOf(message.question, listener)
        .then((answer) => tell({ kind: "answer", answer }))
        .catch(fail)
    })
  }
  profile()
  await tell({ kind: "listening", address: listener.address })
  if (task.role === "both") await run(contender, await told, { resources, counts: async () => listener.counts() })
}

main().catch(fail)
