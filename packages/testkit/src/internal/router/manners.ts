/** How the router misbehaves at the moment. */
import type { Misbehaviour } from "../../Misbehaviour.ts"

type Tag = Misbehaviour["_tag"]
type Of<T extends Tag> = Extract<Misbehaviour, { readonly _tag: T }>

/** Told by a test; more than this is a mistake. */
const maxTold = 1_000

export class Manners {
  private readonly told: Array<{ readonly misbehaviour: Misbehaviour; left: number }> = []

  add(misbehaviour: Misbehaviour, times: number) {
    if (this.told.length === maxTold) this.told.shift()
    this.told.push({ misbehaviour, left: times })
  }

  clear() {
    this.told.length = 0
  }

  /** What it was told to be like, which counts as nothing done: the latest that has this tag. */
  peek<T extends Tag>(tag: T) {
    const found = this.told.findLast(({ left, misbehaviour }) => left > 0 && isOneOf(misbehaviour, [tag]))
    return found?.misbehaviour as Of<T> | undefined
  }

  /** What to do wrong now, which counts as done: of what was told the latest that has one of these tags and matches. */
  take<T extends Tag>(tags: ReadonlyArray<T>, matches: (misbehaviour: Of<T>) => boolean = () => true) {
    const found = this.told.findLast(
      ({ left, misbehaviour }) => left > 0 && isOneOf(misbehaviour, tags) && matches(misbehaviour)
    )
    if (found === undefined) return undefined
    found.left--
    return found.misbehaviour as Of<T>
  }
}

const isOneOf = <T extends Tag>(misbehaviour: Misbehaviour, tags: ReadonlyArray<T>): misbehaviour is Of<T> =>
  tags.some((tag) => tag === misbehaviour._tag)
