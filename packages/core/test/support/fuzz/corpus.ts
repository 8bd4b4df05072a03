/**
 * Saved inputs: a directory beside the test, with one file for each, named for what it is.
 *
 * `NAME.hex` has hexadecimal digits. `NAME.txt` has text, in which line ends count for nothing and `\r`, `\n`, `\t`, `\\` and
 * `\xNN` stand for bytes, so that no editor and no checkout changes an input.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** How the files of a corpus are written. */
export type Format = "hex" | "txt"

/** A saved input. */
export interface Entry {
  readonly name: string
  readonly bytes: Uint8Array
}

/** The directory of a test file: it has the name of the file, with `.corpus`. */
export const beside = (testUrl: string): string => {
  const file = fileURLToPath(testUrl)
  return join(dirname(file), `${basename(file, ".fuzz.test.ts")}.corpus`)
}

const fromText = (text: string): Uint8Array => {
  const parts = text.replaceAll(/\r?\n/gu, "").split(/(\\x[\da-f]{2}|\\.)/u)
  const bytesOf = (part: string): Uint8Array => {
    if (!part.startsWith("\\")) return Buffer.from(part)
    if (part.startsWith("\\x")) return Uint8Array.of(Number.parseInt(part.slice(2), 16))
    return Buffer.from(JSON.parse(`"${part}"`) as string)
  }
  return Uint8Array.from(Buffer.concat(parts.map(bytesOf)))
}

const toText = (bytes: Uint8Array): string => {
  const named: Partial<Record<number, string>> = { 9: "\\t", 10: "\\n\n", 13: "\\r", 92: "\\\\" }
  const escape = (byte: number): string =>
    named[byte] ?? (byte < 32 || byte > 126 ? `\\x${byte.toString(16).padStart(2, "0")}` : String.fromCodePoint(byte))
  const text = Array.from(bytes, escape).join("")
  return text.endsWith("\n") ? text : `${text}\n`
}

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/gu, ""), "hex"))

const toHex = (bytes: Uint8Array): string => {
  const lines = Buffer.from(bytes)
    .toString("hex")
    .match(/.{1,64}/gu)
  return `${(lines ?? []).join("\n")}\n`
}

/** The inputs of a directory, in the order of their names. */
export const read = (directory: string): ReadonlyArray<Entry> => {
  const names = existsSync(directory) ? readdirSync(directory).toSorted() : []
  return names.map((name) => {
    const text = readFileSync(join(directory, name), "utf8")
    return { name, bytes: name.endsWith(".txt") ? fromText(text) : fromHex(text) }
  })
}

/** What a file has in it. */
export const format = (bytes: Uint8Array, as: Format): string => (as === "txt" ? toText(bytes) : toHex(bytes))

/** The file of an input. */
export const fileOf = (directory: string, name: string, as: Format): string => {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z\d]+/gu, "-")
    .slice(0, 72)
    .replaceAll(/^-|-$/gu, "")
  return join(directory, `${slug}.${as}`)
}

/** Saves an input, and returns its file. */
export const save = (directory: string, name: string, bytes: Uint8Array, as: Format): string => {
  mkdirSync(directory, { recursive: true })
  const file = fileOf(directory, name, as)
  writeFileSync(file, format(bytes, as))
  return file
}
