/** The commands of a runner's console, as text. */

/** A command. "Unknown" is every text that is none. */
export type Command =
  | { readonly _tag: "Add"; readonly counter: string; readonly amount: number; readonly key: string | undefined }
  | { readonly _tag: "Read"; readonly counter: string }
  | { readonly _tag: "Parcel"; readonly name: string; readonly wait: number }
  | { readonly _tag: "Shards" }
  | { readonly _tag: "Has"; readonly singleton: string }
  | { readonly _tag: "Unknown" }

/**
 * The forms of all commands:
 *
 * - `add` adds to a counter, wherever it lives: 1 without an amount. The same key again adds nothing.
 * - `read` tells the number of a counter.
 * - `parcel` sends a parcel, which waits on its way, and tells who has packed and who has delivered it.
 * - `shards` tells how many shards this runner has.
 * - `has` tells whether this runner runs a singleton, such as `effect/cluster/Sharding/RunnerHealth`.
 */
export const all = [
  "add COUNTER [AMOUNT] [KEY]",
  "read COUNTER",
  "parcel NAME [MILLISECONDS]",
  "shards",
  "has SINGLETON"
]

const unknown: Command = { _tag: "Unknown" }

/** Reads a command. A number has to be a whole one, and the wait of a parcel none below 0. */
export const parse = (text: string): Command => {
  const [verb, name, third = "1", key] = text.trim().split(/\s+/u)
  const number = Number(third)
  switch (verb) {
    case "add":
      return name === undefined || !Number.isSafeInteger(number)
        ? unknown
        : { _tag: "Add", counter: name, amount: number, key }
    case "read":
      return name === undefined ? unknown : { _tag: "Read", counter: name }
    case "parcel":
      return name === undefined || !Number.isSafeInteger(number) || number < 0
        ? unknown
        : { _tag: "Parcel", name, wait: number }
    case "shards":
      return { _tag: "Shards" }
    case "has":
      return name === undefined ? unknown : { _tag: "Has", singleton: name }
    default:
      return unknown
  }
}
