/** Parses and escapes XML of routers. */
import * as Option from "effect/Option"
import { XMLParser } from "fast-xml-parser"

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  removeNSPrefix: true,
  // Some routers write names in another case than UPnP does.
  transformTagName: (name) => name.toLowerCase(),
  // Text stays text: a schema decodes ports and codes where they are used.
  parseTagValue: false
})

/**
 * Parses a document to nested objects with names in lower case, without prefixes and attributes; none when it is not
 * well-formed. Known mistakes of routers are repaired. A document type is refused: no gateway needs one, and it allows
 * entity expansion.
 */
export const parse = (text: string): Option.Option<unknown> => {
  if (/<!DOCTYPE/i.test(text)) return Option.none()
  const plain = text.replace(controls, "").trim()
  return Option.orElse(strict(plain), () => strict(repaired(plain)))
}

const strict = (text: string): Option.Option<unknown> => {
  try {
    return Option.some(parser.parse(text, true))
  } catch {
    return Option.none()
  }
}

/** Removes everything before and after the document, and escapes ampersands that begin no reference. */
const repaired = (text: string): string => {
  const start = Math.max(text.indexOf("<"), 0)
  const root = /<([A-Za-z_][\w.:-]*)/.exec(text)?.[1]
  const last = root === undefined ? -1 : text.lastIndexOf(`</${root}`)
  const end = last < 0 ? -1 : text.indexOf(">", last)
  const document = end < 0 ? text.slice(start) : text.slice(start, end + 1)
  return withReferences(document)
}

/** Characters that XML does not allow. */
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g

const bareAmpersand = /&(?!(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,31});)/gi

/** Escapes bare ampersands outside of CDATA sections. */
const withReferences = (document: string): string => {
  let out = ""
  let at = 0
  for (;;) {
    const start = document.indexOf("<![CDATA[", at)
    const end = start < 0 ? -1 : document.indexOf("]]>", start)
    if (end < 0) return out + document.slice(at).replace(bareAmpersand, "&amp;")
    out += document.slice(at, start).replace(bareAmpersand, "&amp;") + document.slice(start, end)
    at = end
  }
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" }

/** Escapes the five special characters of XML in a text. */
export const escape = (text: string): string => text.replace(/[&<>"']/g, (char) => entities[char] ?? char)
