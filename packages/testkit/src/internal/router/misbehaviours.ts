/** The current misbehaviours of a router. */
import type { Misbehaviour } from "../../Misbehaviour.ts"

type Tag = Misbehaviour["_tag"]
type Of<T extends Tag> = Extract<Misbehaviour, { readonly _tag: T }>

/** The maximum number of misbehaviours: more is a mistake in the test. */
const maxTold = 1_000

/** The misbehaviours that a test has asked for, each with the number of times that are left. */
export class Misbehaviours {
  private readonly told: Array<{ readonly misbehaviour: Misbehaviour; left: number }> = []

  add(misbehaviour: Misbehaviour, times: number) {
    if (this.told.length === maxTold) this.told.shift()
    this.told.push({ misbehaviour, left: times })
  }

  clear() {
    this.told.length = 0
  }

  /** The latest misbehaviour with this tag, without counting it as done. */
  peek<T extends Tag>(tag: T) {
    const found = this.told.findLast(({ left, misbehaviour }) => left > 0 && isOneOf(misbehaviour, [tag]))
    return found?.misbehaviour as Of<T> | undefined
  }

  /** The latest misbehaviour with one of these tags that matches, counted as done. */
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
