/**
 * Names for received files. The sender chooses the name, so it is untrusted.
 *
 * @stability unstable
 * @since 0.1.0
 */

/** The usual limit is 255 bytes. The rest is for a suffix such as ` (12)`. */
const longestName = 200

// Characters with a meaning on Windows, in shells or on terminals, and invisible ones.
const unsafeCharacters = /[<>:"|?*\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

// Windows opens a device for these names with any extension; spaces before the dot do not count.
const deviceName = /^(?:con|conin\$|conout\$|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/iu

// Windows drops these from the end of a name.
const droppedEnd = /[. ]+$/u

/**
 * Splits a name before its last dot: `["archive.tar", ".gz"]`. A name without an extension has an empty one.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const splitExtension = (name: string): readonly [stem: string, extension: string] => {
  const dot = name.lastIndexOf(".")
  return dot <= 0 ? [name, ""] : [name.slice(0, dot), name.slice(dot)]
}

const byteLength = (text: string): number => Buffer.byteLength(text, "utf8")

const cut = (text: string, limit: number): string => {
  let out = ""
  let size = 0
  for (const character of text) {
    size += byteLength(character)
    if (size > limit) break
    out += character
  }
  return out
}

/**
 * Reduces any text to a base name that is safe to create in a directory: no path, no control or invisible characters,
 * no leading dot, no device name, at most 200 bytes of UTF-8. A text of which nothing is left becomes `file`.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const safeName = (hostile: string): string => {
  const base = hostile.split(/[/\\]/u).at(-1) ?? ""
  const cleaned = base
    .normalize("NFC")
    .replace(unsafeCharacters, "_")
    .trim()
    .replace(droppedEnd, "")
    .replace(/^\.+/u, "_")
  if (cleaned === "") return "file"
  const named = deviceName.test(cleaned) ? `_${cleaned}` : cleaned
  if (byteLength(named) <= longestName) return named
  const [stem, extension] = splitExtension(named)
  const kept = byteLength(extension) <= 20 ? extension : ""
  return cut(stem, longestName - byteLength(kept)).replace(droppedEnd, "") + kept
}

/**
 * The name to try after `attempt` names were taken: `a.txt`, `a (1).txt`, `a (2).txt`, and so on.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const numbered = (name: string, attempt: number): string => {
  if (attempt === 0) return name
  const [stem, extension] = splitExtension(name)
  return `${stem} (${attempt})${extension}`
}
