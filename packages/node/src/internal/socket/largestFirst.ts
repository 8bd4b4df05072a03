/**
 * A set whose members belong to groups. It finds the oldest member of the largest group in constant time.
 */

/** Members by group, and groups by size. */
export class LargestFirst<M> {
  private readonly groups = new Map<string, Set<M>>()
  /** The groups of each size; the last one is not empty. */
  private readonly bySize: Array<Set<Set<M>> | undefined> = []

  /** The oldest member of the largest group. */
  get first(): M | undefined {
    const largest = this.bySize.at(-1)
    if (largest === undefined) return undefined
    for (const group of largest) for (const member of group) return member
    return undefined
  }

  add(name: string, member: M): void {
    let group = this.groups.get(name)
    if (group === undefined) this.groups.set(name, (group = new Set()))
    const before = group.size
    group.add(member)
    this.move(group, before)
  }

  /** Removes a member. Returns false when the group does not have it. */
  delete(name: string, member: M): boolean {
    const group = this.groups.get(name)
    if (group?.delete(member) !== true) return false
    if (group.size === 0) this.groups.delete(name)
    this.move(group, group.size + 1)
    return true
  }

  /** Lists a group under its size, and no longer under the size that it had. */
  private move(group: Set<M>, before: number): void {
    const { bySize } = this
    if (group.size === before) return
    if (group.size > 0) (bySize[group.size] ??= new Set()).add(group)
    const others = bySize[before]
    if (others?.delete(group) !== true || others.size > 0) return
    bySize[before] = undefined
    // A group has only one member more than before, or one less: it is next to the size that is empty now.
    if (before === bySize.length - 1) bySize.length = group.size === 0 ? 0 : before
  }
}
