/**
 * Looks for a secret in what is printed, in every form that bytes are printed in.
 */
import { inspect } from "node:util"

/** How many bytes in a row are a find. */
const window = 9

const withoutLayout = (text: string): string => text.replaceAll(/[\s"'\\]/gu, "")

/** The forms of a few of the bytes: digits, numbers, entries of an object, and base64 at every alignment. */
const formsOf = (secret: Uint8Array): ReadonlyArray<string> => {
  const forms: Array<string> = []
  for (let at = 0; at + window <= secret.length; at++) {
    const part = secret.subarray(at, at + window)
    const hex = Buffer.from(part).toString("hex")
    const base64 = Buffer.from(part).toString("base64")
    forms.push(
      hex,
      hex.toUpperCase(),
      hex.replaceAll(/(..)(?!$)/gu, "$1:"),
      base64,
      base64.replaceAll("+", "-").replaceAll("/", "_"),
      [...part].join(","),
      [...part].map((byte, i) => `${at + i}:${byte}`).join(",")
    )
  }
  return forms
}

/** The form in which a text shows the secret, if it does. */
export const shownSecret = (text: string, secret: Uint8Array): string | undefined => {
  const flat = withoutLayout(text)
  const latin1 = Buffer.from(secret.subarray(0, window)).toString("latin1")
  return text.includes(latin1) ? latin1 : formsOf(secret).find((form) => flat.includes(form))
}

/** What a value looks like wherever it is printed. */
export const printed = (value: unknown): ReadonlyArray<string> => [
  inspect(value, { showHidden: true }),
  inspect(value, { customInspect: false, maxArrayLength: 1_000 }),
  attempt(() => JSON.stringify(value)),
  attempt(() => JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each), 2)),
  attempt(() => String(value)),
  attempt(() => `${(value as Error).stack}`)
]

/** Whether the secret stands in a property of a value, of its properties, and so on: it would be printed with enough depth. */
export const reaches = (value: unknown, secret: Uint8Array): boolean => {
  const seen = new Set<unknown>()
  const rest: Array<unknown> = [value]
  const digits = [Buffer.from(secret).toString("hex"), ...[0, 1, 2].map((at) => base64At(secret, at))]
  while (rest.length > 0) {
    const each = rest.pop()
    if (typeof each === "string" && digits.some((form) => each.includes(form))) return true
    if ((typeof each !== "object" && typeof each !== "function") || each === null || seen.has(each)) continue
    seen.add(each)
    if (ArrayBuffer.isView(each)) {
      if (Buffer.from(each.buffer, each.byteOffset, each.byteLength).indexOf(secret) >= 0) return true
      continue
    }
    if (each instanceof Map) rest.push(...each.keys(), ...each.values())
    if (each instanceof Set) rest.push(...each)
    for (const key of Reflect.ownKeys(each)) {
      const property = Object.getOwnPropertyDescriptor(each, key)
      if (property !== undefined && "value" in property) rest.push(property.value)
    }
    rest.push(Object.getPrototypeOf(each))
  }
  return false
}

/** The base64 of the whole groups of three bytes from this offset on. */
const base64At = (bytes: Uint8Array, at: number): string =>
  Buffer.from(bytes.subarray(at, at + 3 * Math.floor((bytes.length - at) / 3))).toString("base64")

const attempt = (print: () => string | undefined): string => {
  try {
    return print() ?? ""
  } catch {
    // What cannot be printed so shows nothing.
    return ""
  }
}
