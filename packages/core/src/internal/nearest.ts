/**
 * Finds the name that a misspelt one resembles.
 */

/** Computes the Levenshtein distance: the letters to insert, remove or replace to turn `a` into `b`. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}

const letters = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/gu, "")

/** Returns the name of `names` that is nearest to `name`, if one is near. Case and underscores do not count. */
export const nearest = (name: string, names: ReadonlyArray<string>): string | undefined => {
  const written = letters(name)
  // No known name is that long, and untrusted text may be.
  if (written.length > 64) return undefined
  let found: string | undefined
  let least = Infinity
  for (const each of names) {
    const meant = letters(each)
    const far = distance(written, meant)
    if (far < least && far <= 1 + Math.floor(meant.length / 6)) {
      found = each
      least = far
    }
  }
  return found
}
