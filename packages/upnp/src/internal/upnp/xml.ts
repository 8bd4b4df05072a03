import * as Option from "effect/Option"
import { XMLParser } from "fast-xml-parser"

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  removeNSPrefix: true,
  // Text stays text: a port or a code that looks like a number is decoded by a schema, where it is used.
  parseTagValue: false
})

/**
 * The document as nested objects without prefixes and attributes, or none if it is not well-formed. A document type is
 * refused: no gateway needs one, and it is the door to entity expansion.
 */
export const parse = (text: string): Option.Option<unknown> => {
  if (/<!DOCTYPE/i.test(text)) return Option.none()
  try {
    return Option.some(parser.parse(text.trim(), true))
  } catch {
    return Option.none()
  }
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" }

export const escape = (text: string): string => text.replace(/[&<>"']/g, (char) => entities[char] ?? char)
