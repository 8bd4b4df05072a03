/** What a run leaves behind: `results.json`, from which every table and plot is made. */
import * as Schema from "effect/Schema"

/** Both ends in one process, or each in its own. */
export const Mode = Schema.Literals(["one", "two"])
export type Mode = typeof Mode.Type

/** What a workload was told, by name: sizes in bytes, counts, times in milliseconds. */
export const Parameters = Schema.Record(Schema.String, Schema.Union([Schema.Number, Schema.String]))
export type Parameters = typeof Parameters.Type

/** What one sample measured, by name; `Workload.figures` says what the names mean. */
export const Figures = Schema.Record(Schema.String, Schema.Number)
export type Figures = typeof Figures.Type

/** One run of one workload by one contender, in processes of its own. */
export const Sample = Schema.Struct({
  workload: Schema.String,
  contender: Schema.String,
  mode: Mode,
  parameters: Parameters,
  figures: Figures
})
export type Sample = typeof Sample.Type

/** What was not measured, and why; without `parameters` or `mode` that holds for all of them. */
export const Omission = Schema.Struct({
  workload: Schema.optionalKey(Schema.String),
  contender: Schema.String,
  mode: Schema.optionalKey(Mode),
  parameters: Schema.optionalKey(Parameters),
  reason: Schema.String
})
export type Omission = typeof Omission.Type

/** What a figure of a workload is. */
export const FigureMeaning = Schema.Struct({
  unit: Schema.String,
  better: Schema.Literals(["more", "less"]),
  about: Schema.String
})
export type FigureMeaning = typeof FigureMeaning.Type

/** What it ran on. */
export const Machine = Schema.Struct({
  cpu: Schema.String,
  cores: Schema.Number,
  memoryGiB: Schema.Number,
  kernel: Schema.String,
  distribution: Schema.String,
  node: Schema.String,
  /** By package: what was compared and what it stands on. */
  versions: Schema.Record(Schema.String, Schema.String),
  /** Of the repository, with `-dirty` when it had changes. */
  commit: Schema.String
})
export type Machine = typeof Machine.Type

export const Results = Schema.Struct({
  machine: Machine,
  /** When it began, ISO 8601 in UTC. */
  date: Schema.String,
  scale: Schema.Literals(["full", "quick", "smoke"]),
  minutes: Schema.Number,
  contenders: Schema.Array(Schema.Struct({ name: Schema.String, about: Schema.String })),
  workloads: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      about: Schema.String,
      figures: Schema.Record(Schema.String, FigureMeaning)
    })
  ),
  samples: Schema.Array(Sample),
  omissions: Schema.Array(Omission),
  /** Samples that went wrong: never a figure. */
  failures: Schema.Array(Omission)
})
export type Results = typeof Results.Type
