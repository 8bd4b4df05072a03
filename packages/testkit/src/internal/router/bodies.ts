/** Documents of a router in all their variants, and the ways to delimit them. */
import type { Framing, Misbehaviour, Page } from "../../Misbehaviour.ts"
import type { Device } from "./device.ts"

/** Inserts an element as the first child of the root element. */
const withElement = (body: string, element: string): string =>
  body.replace(/<(?:root|s:Envelope)[^>]*>/u, (root) => `${root}${element}`)

const onNames = (body: string, change: (name: string) => string): string =>
  body.replaceAll(/<\/?([A-Za-z:]+)/gu, (tag, name: string) => tag.slice(0, -name.length) + change(name))

const tags = [
  "Before",
  "After",
  "BareAmpersand",
  "Latin1",
  "OtherCase",
  "Prefixes",
  "OtherNamespace"
] as const satisfies ReadonlyArray<Misbehaviour["_tag"]>

/** The document as it is sent: each character is one byte (ISO 8859-1). */
export const written = ({ misbehaviours }: Device, at: Page, right: string): string => {
  const told = misbehaviours.take(tags, (misbehaviour) => misbehaviour.at === at)
  switch (told?._tag) {
    case undefined:
      return utf8(right)
    case "Before":
      return utf8(told.text + right)
    case "After":
      return utf8(right + told.text)
    case "BareAmpersand":
      return utf8(withElement(right, "<note>AT&T & sons & a=1&b=2 &#12 &;</note>"))
    case "Latin1":
      return withElement(right, "<note>Gro\u00dfer Router f\u00fcr Andr\u00e9</note>")
    case "OtherCase":
      return utf8(onNames(right, (name) => name.toLowerCase()))
    case "Prefixes":
      return utf8(
        onNames(right, (name) => `odd:${name.slice(name.indexOf(":") + 1)}`).replaceAll(/ xmlns(?::\w)?="[^"]*"/gu, "")
      )
    case "OtherNamespace":
      return utf8(right.replaceAll(/xmlns:u="[^"]*"/gu, `xmlns:u="${at}"`))
  }
}

/** Converts text to the bytes of its UTF-8. */
export const utf8 = (text: string): string => Buffer.from(text).toString("latin1")

/** In chunks of 100 bytes. */
const chunked = (body: string, size: (length: number) => string, end: string, last: string): string =>
  [...body.matchAll(/[^]{1,100}/gu)].map(([chunk]) => `${size(chunk.length)}${end}${chunk}${end}`).join("") + last

const hex = (length: number) => length.toString(16)

/** The headers that delimit a body, the body, and whether the connection is closed after it. */
export const framed = (body: string, as: Framing) => {
  const chunks = { "Transfer-Encoding": "chunked" }
  switch (as) {
    case "Close":
      return { headers: {}, body, version: "1.0", closes: true }
    case "Open":
      return { headers: {}, body, version: "1.1", closes: false }
    case "Chunks":
      return { headers: chunks, body: chunked(body, hex, "\r\n", "0\r\n\r\n"), version: "1.1", closes: true }
    case "LooseChunks":
      return {
        headers: chunks,
        body: chunked(body, (length) => `000${hex(length).toUpperCase()} ; a=b`, "\n", "000 \nno: thing"),
        version: "1.1",
        closes: false
      }
    case "UnendedChunks":
      return { headers: chunks, body: chunked(body, hex, "\r\n", ""), version: "1.1", closes: true }
    case "NoChunks":
      return { headers: chunks, body, version: "1.1", closes: true }
  }
}
