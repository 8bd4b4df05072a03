/**
 * Makes texts of others safe to print.
 *
 * Peers and routers choose names, messages, reasons and errors. Each such text passes through `printable` on its way to a
 * terminal or a log: no character of it moves the cursor, hides, changes the direction of other text or begins another line,
 * and its length is bounded.
 *
 * @stability unstable
 * @since 0.1.0
 */

/**
 * Characters that show nothing or change what is around them:
 *
 * - `C`: control characters, format characters (bidirectional controls, zero-width characters, soft hyphen, tags), lone
 * surrogates, private use, and code points without a character, which a newer Unicode may make one of these;
 * - `Zl`, `Zp`: line and paragraph separators;
 * - default ignorable code points: variation selectors, Hangul fillers, the combining grapheme joiner and what Unicode
 * reserves for more of them;
 * - characters that are visible by their properties and blank in fonts: the Braille blank, the null notehead, the
 * hieroglyphic blanks, the Khitan filler and the object replacement character.
 */
const hidden =
  /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2800\ufffc\u{13441}\u{13442}\u{1d159}]|\u{16fe4}/u

const hiddenRun = new RegExp(`(?:${hidden.source})+`, "gu")

const mark = /\p{M}/u

/** Matches each text that `printable` may change. */
const suspicious = new RegExp(`${hidden.source}|${mark.source}`, "u")

/** The most combining marks in a row. No script needs more on one letter; hundreds would cover the lines around it. */
const maxMarks = 4

/**
 * The longest text that is printed, in characters: 2,000.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const longestText = 2_000

/**
 * The longest text of a peer inside a sentence, such as the reason of a close, in characters: 300.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const longestReason = 300

const shortEscapes: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

const escape = (character: string): string => {
  const short = shortEscapes[character]
  if (short !== undefined) return short
  const code = character.codePointAt(0)!.toString(16)
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`
}

/**
 * Replaces each run of characters that show nothing, or change what is around them.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const replaceHidden = (text: string, replacement: string): string => text.replace(hiddenRun, replacement)

/**
 * The text on one line, with every character visible. Characters that show nothing, that change the direction of text or
 * that move the cursor appear as escapes: `\n`, `\u202e`, `\u{e0041}`. So does a combining mark without a letter before it,
 * and the fifth one of a letter. What goes beyond `longest` characters, 2,000 by default, is cut off and counted.
 *
 * Its result passes through it unchanged, except when it is cut again.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const printable = (text: string, longest: number = longestText): string => {
  if (text.length <= longest && !suspicious.test(text)) return text
  let out = ""
  // No letter is before the first character.
  let marks = maxMarks
  let at = 0
  for (const character of text) {
    marks = mark.test(character) ? marks + 1 : 0
    const shown = marks > maxMarks || hidden.test(character) ? escape(character) : character
    if (out.length + shown.length > longest) return `${out}... (${counted(text.length - at)})`
    out += shown
    at += character.length
  }
  return out
}

/**
 * JSON with an escape for each character in its strings that shows nothing or changes what is around it: the same value, safe
 * on a terminal. It is not cut.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const printableJson = (json: string): string =>
  json.replace(hiddenRun, (run) =>
    Array.from({ length: run.length }, (_, at) => `\\u${run.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")
  )

const counted = (left: number): string => `${left} more character${left === 1 ? "" : "s"}`
