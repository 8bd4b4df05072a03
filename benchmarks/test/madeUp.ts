/** A full report with invented figures. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64"
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus"
import type { Results, Sample } from "../src/measuring/results.ts"
import { workloads } from "../src/workloads/registry.ts"

export const contenders = ["qp2p", "plain-loop", "class-layer", "hyperdht", "libp2p-tcp", "tcp", "qp2p-rust-0.29"]

/** Figures that were never measured, for every workload, case and contender of a full report. */
export const madeUp = (): Results => {
  const random = xoroshiro128plus(1)
  const samples = workloads.flatMap(({ name, modes, cases, figures }) =>
    modes.flatMap((mode) =>
      cases("full").flatMap((parameters) =>
        contenders.flatMap((contender, i) =>
          [1, 2, 3].map((): Sample => {
            const by = (1 + i) * (1 + uniformFloat64(random) / 5) * (Number(parameters["size"] ?? 64) / 64) ** 0.5
            const values = Object.entries(figures).map(([figure, { better }], j) => {
              if (figure.startsWith("held")) return [figure, 300 + 40 * i + uniformFloat64(random)]
              return [figure, better === "more" ? (90_000 - j) / by : by * (1 + j)]
            })
            return {
              workload: name,
              contender,
              mode,
              parameters,
              figures: Object.fromEntries(values) as Sample["figures"]
            }
          })
        )
      )
    )
  )
  return {
    machine: {
      cpu: "A processor",
      cores: 2,
      memoryGiB: 8,
      kernel: "6.1.0",
      distribution: "Some Linux 12",
      node: "20.20.2",
      versions: { hyperdht: "6.34.0" },
      commit: "0123456"
    },
    date: "2026-01-02T03:04:05.000Z",
    scale: "full",
    minutes: 61.5,
    contenders: contenders.map((name) => ({ name, about: `what | ${name} is` })),
    workloads: workloads.map(({ name, about, figures }) => ({ name, about, figures })),
    samples,
    omissions: [
      { contender: "libp2p-quic", reason: "does not run here" },
      { contender: "hyperdht", workload: "cost-peers", parameters: { peers: 1000, size: 1024 }, reason: "too many" }
    ],
    failures: [{ contender: "tcp", workload: "fan-in", mode: "two", reason: "three messages were missing" }]
  }
}
