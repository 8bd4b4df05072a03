/**
 * Reads HTTP answers as routers send them, which deviates from RFC 9112: lines may end in LF only, lengths may be
 * wrong, the last chunk may be missing. An answer counts when its document is complete; a wrong framing is only
 * reported.
 */
import { Buffer } from "node:buffer"

/** The maximum size of a body, in bytes. Descriptions of real routers have 2 to 40 KiB. */
export const maxBodySize = 256 * 1024

const maxHeadSize = 16 * 1024

/** The maximum length of a chunk's size line. */
const maxLineSize = 256

/** An HTTP answer that was read to its end, or as far as the router sent it. */
export interface Answer {
  readonly status: number
  readonly body: string
  /** How the body falls short of its framing; undefined when it does not. */
  readonly shortfall: string | undefined
}

/** Why the bytes are not an answer, worded to follow "answered:". */
export interface Refuse {
  readonly detail: string
}

type Framing =
  | { readonly _tag: "UntilClosed" }
  | { readonly _tag: "Length"; readonly length: number }
  | { readonly _tag: "Chunks" }

const untilClosed: Framing = { _tag: "UntilClosed" }

/** How many bytes at the beginning of a document are searched for its root element. */
const beginning = 4096

/** How many blanks an end tag may have. */
const maxBlanks = 64

/** Collects the bytes of one HTTP answer, limits their number, and tells when the answer is complete. */
export class AnswerReader {
  #head = ""
  #status: number | undefined
  #framing: Framing = untilClosed
  readonly #body: Array<Uint8Array> = []
  #size = 0
  /** The bytes that are left of the current chunk. */
  #chunk = 0
  /** The part of a chunk's size line that has arrived. */
  #line = ""
  #lastChunk = false
  #start = ""
  #end = ""
  /** Matches the end tag of the document's root element, once that has begun. */
  #endTag: RegExp | undefined
  /** How many characters may be the beginning of the end tag. */
  #kept = 0
  #documentEnded = false
  /** Why reading stopped. */
  refused: Refuse | undefined

  /** Whether the body is complete according to its framing. */
  get isFramed(): boolean {
    if (this.#status === undefined) return false
    switch (this.#framing._tag) {
      case "UntilClosed":
        return false
      case "Length":
        return this.#size >= this.#framing.length
      case "Chunks":
        return this.#lastChunk
    }
  }

  /** Whether the end tag of the document's root element has arrived. */
  get hasDocument(): boolean {
    return this.#documentEnded
  }

  feed(bytes: Uint8Array): void {
    if (this.refused !== undefined) return
    if (this.#status === undefined) this.#feedHead(bytes)
    else this.#feedBody(bytes)
  }

  #refuse(detail: string) {
    this.refused = { detail }
  }

  #feedHead(bytes: Uint8Array): void {
    this.#head = (this.#head + Buffer.from(bytes).toString("latin1")).replace(/^\s+/, "")
    const head = this.#head
    if (!"HTTP/".startsWith(head.slice(0, 5).toUpperCase())) return this.#refuse("something that is not HTTP")
    // Only the new bytes are searched, so a head that arrives byte by byte costs linear time.
    const from = Math.max(head.length - bytes.length - 6, 0)
    const end = /\r{0,2}\n\r{0,2}\n/.exec(head.slice(from))
    if (end === null) {
      if (head.length > maxHeadSize) this.#refuse("a head that is too large")
      return
    }
    const endsAt = from + end.index
    const [first = "", ...lines] = head.slice(0, endsAt).split(/\r{0,2}\n/)
    const status = Number(/^HTTP\/[\d.]+\s+(\d{3})(?!\d)/i.exec(first)?.[1] ?? 0)
    const rest = Buffer.from(head.slice(endsAt + end[0].length), "latin1")
    this.#head = ""
    if (status === 0) return this.#refuse("something that is not HTTP")
    // An interim answer (1xx): the final answer follows.
    if (status < 200) return this.#feedHead(rest)
    if (status >= 300 && status < 400) return this.#refuse("a redirect, which is not followed")
    this.#status = status
    this.#framing = framingOf(lines)
    if (rest.length > 0) this.#feedBody(rest)
  }

  #feedBody(bytes: Uint8Array): void {
    if (this.#framing._tag === "Chunks") this.#feedChunks(bytes)
    else this.#take(bytes)
  }

  #feedChunks(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length && !this.#lastChunk) {
      if (this.#chunk > 0) {
        const part = bytes.subarray(at, at + this.#chunk)
        this.#chunk -= part.length
        at += part.length
        this.#take(part)
        continue
      }
      const feed = bytes.indexOf(lineFeed, at)
      this.#line += Buffer.from(bytes.subarray(at, feed < 0 ? bytes.length : feed)).toString("latin1")
      at = feed < 0 ? bytes.length : feed + 1
      const line = this.#line.trim()
      // The header announces chunks, and the body has none.
      if (this.#size === 0 && /^(?:<|[^\s\da-f])/i.test(line)) {
        const body = this.#line + (feed < 0 ? "" : "\n")
        this.#line = ""
        this.#framing = untilClosed
        this.#take(Buffer.from(body, "latin1"))
        return this.#take(bytes.subarray(at))
      }
      if (this.#line.length > maxLineSize) return this.#refuse("a chunk without a size")
      if (feed < 0) return
      this.#line = ""
      if (line === "") continue
      const size = /^[\da-f]+/i.exec(line)?.[0]
      if (size === undefined) return this.#refuse("a chunk without a size")
      this.#chunk = Number.parseInt(size, 16)
      this.#lastChunk = this.#chunk === 0
    }
  }

  #take(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#size += bytes.length
    if (this.#size > maxBodySize) return this.#refuse("a body that is too large")
    this.#body.push(bytes)
    if (this.#documentEnded) return
    let behind = 0
    if (this.#endTag === undefined && this.#start.length < beginning) {
      const before = this.#start.length
      this.#start += Buffer.from(bytes.subarray(0, beginning - before)).toString("latin1")
      const root = /<([A-Za-z_][\w.:-]*)[\s/>]/.exec(this.#start)
      if (root !== null) {
        this.#endTag = new RegExp(`</${root[1]!.replaceAll(".", "\\.")}\\s{0,${maxBlanks}}>`)
        this.#kept = root[1]!.length + maxBlanks + 2
        behind = root.index + root[0].length - before
      }
    }
    if (this.#endTag === undefined) return
    // The tag may be split over several packets.
    const text = this.#end + Buffer.from(bytes.subarray(behind)).toString("latin1")
    this.#documentEnded = this.#endTag.test(text)
    this.#end = text.slice(-this.#kept)
  }

  /** The answer, once no more bytes are expected: the connection was closed or reset, or the wait is over. */
  result(ended: "closed" | "reset"): Answer | Refuse {
    if (this.refused !== undefined) return this.refused
    if (this.#status === undefined) {
      const what = this.#head === "" ? "nothing" : "a part of a head"
      return { detail: `${what}, and then the connection was ${ended}` }
    }
    return { status: this.#status, body: decode(Buffer.concat(this.#body)), shortfall: this.#shortfall(ended) }
  }

  #shortfall(ended: "closed" | "reset"): string | undefined {
    if (this.isFramed) return undefined
    if (ended === "reset") return "a part of it, and then the connection was reset"
    switch (this.#framing._tag) {
      case "UntilClosed":
        return undefined
      case "Length":
        return "less than the length that it states"
      case "Chunks":
        return "chunks without their end"
    }
  }
}

const lineFeed = 10

const framingOf = (lines: ReadonlyArray<string>): Framing => {
  const lengths = new Set<number>()
  let chunks = false
  for (const line of lines) {
    const colon = line.indexOf(":")
    if (colon < 0) continue
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === "content-length" && /^\d{1,9}$/.test(value)) lengths.add(Number(value))
    if (name === "transfer-encoding" && /chunked/i.test(value)) chunks = true
  }
  if (chunks) return { _tag: "Chunks" }
  const [length, ...others] = lengths
  return length === undefined || others.length > 0 ? untilClosed : { _tag: "Length", length }
}

/** Decodes by the byte order mark, or as UTF-8: the encoding that routers declare is often wrong. */
const decode = (bytes: Uint8Array): string => {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8"
  return new TextDecoder(encoding).decode(bytes)
}
