/**
 * Names for received files. The sender chooses the name, so it is untrusted.
 *
 * @stability unstable
 * @since 0.1.0
 */

import { replaceHidden } from "./Printable.ts"

/** The usual limit is 255 bytes. The rest is for a suffix such as ` (12)`. */
const longestName = 200

// Characters with a meaning on Windows or in shells.
const unsafeCharacters = /[<>:"|?*]/gu

// Spaces that look like the usual one, or like none.
const otherSpaces = /\p{Zs}/gu

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
 * Reduces any text to a base name that is safe to create in a directory: no path, no control characters, none that are
 * invisible or change the direction of text, no leading dot, no device name, no dot or space at the end, in the normal form
 * NFC, at most 200 bytes of UTF-8. A text of which nothing is left becomes `file`. A safe name stays as it is.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const safeName = (hostile: string): string => {
  const base = hostile.split(/[/\\]/u).at(-1) ?? ""
  const cleaned = replaceHidden(base.normalize("NFC"), "_")
    .replace(unsafeCharacters, "_")
    .replace(otherSpaces, " ")
    .trim()
    .replace(droppedEnd, "")
    .replace(/^\.+/u, "_")
  if (cleaned === "") return "file"
  // A cut can leave a device name, and the character before a device name can need a cut.
  return shortened(withoutDevice(shortened(cleaned)))
}

const withoutDevice = (name: string): string => (deviceName.test(name) ? `_${name}` : name)

const shortened = (name: string): string => {
  if (byteLength(name) <= longestName) return name
  const [stem, extension] = splitExtension(name)
  const kept = byteLength(extension) <= 20 ? extension : ""
  return cut(stem, longestName - byteLength(kept)).replace(droppedEnd, "") + kept
}

/**
 * The name with a number before its extension, or another short text: `a (1).txt`, `a (2).txt`. The number 0 is not shown.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const numbered = (name: string, number: number | string): string => {
  if (number === 0) return name
  const [stem, extension] = splitExtension(name)
  return `${stem} (${number})${extension}`
}
