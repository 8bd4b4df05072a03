/**
 * Answers over HTTP as routers send them, which is not always as RFC 9112 has it: lines may end in LF only, lengths may lie,
 * chunks may miss their end. What decides is whether the document came whole; what says otherwise is only remembered.
 */
import { Buffer } from "node:buffer"

/** Descriptions of real routers are 2 to 40 KiB. */
export const maxBodySize = 256 * 1024

const maxHeadSize = 16 * 1024

/** Of a line with the size of a chunk. */
const maxLineSize = 256

export interface Answer {
  readonly status: number
  readonly body: string
  /** What the framing of the body promised and did not keep. */
  readonly shortfall: string | undefined
}

/** What was sent is no answer, in words that follow "answered:". */
export interface Refuse {
  readonly detail: string
}

type Framing =
  | { readonly _tag: "UntilClosed" }
  | { readonly _tag: "Length"; readonly length: number }
  | { readonly _tag: "Chunks" }

const untilClosed: Framing = { _tag: "UntilClosed" }

/** As much of a document's beginning as its root element is looked for in, and of its end as its end is. */
const beginning = 4096
const ending = 256

export class AnswerReader {
  #head = ""
  #status: number | undefined
  #framing: Framing = untilClosed
  readonly #body: Array<Uint8Array> = []
  #size = 0
  /** What is left of the chunk that is being read. */
  #chunk = 0
  /** The line of a chunk's size, as far as it has come. */
  #line = ""
  #lastChunk = false
  #start = ""
  #end = ""
  #root: string | undefined
  #documentEnded = false
  /** Why nothing more is read. */
  refused: Refuse | undefined

  /** Whether the framing says that the answer is over. */
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

  /** Whether the end tag of the document's root element has come. */
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
    // Not everything again for each byte of a head that comes in bytes.
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
    // An interim answer, and what counts comes after it.
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
      // It says that there are chunks, and there are none.
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
    if (this.#root === undefined && this.#start.length < beginning) {
      this.#start += Buffer.from(bytes.subarray(0, beginning - this.#start.length)).toString("latin1")
      this.#root = rootOf(this.#start)
    }
    if (this.#root === undefined) return
    const mark = `</${this.#root}`
    // A tag may have come in several parts.
    const text = this.#end + Buffer.from(bytes).toString("latin1")
    const at = text.lastIndexOf(mark)
    if (at >= 0 && text.includes(">", at + mark.length)) this.#documentEnded = true
    this.#end = at >= 0 ? text.slice(at, at + ending) : text.slice(-mark.length)
  }

  /** What came, when no more comes: the connection was closed or reset, or enough has been waited for. */
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

/** The name of the first element, if its tag has begun. */
const rootOf = (text: string): string | undefined => /<([A-Za-z_][\w.:-]*)[\s/>]/.exec(text)?.[1]

/** As the byte order mark says, and else as UTF-8: what routers say of their encoding is often not so. */
const decode = (bytes: Uint8Array): string => {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8"
  return new TextDecoder(encoding).decode(bytes)
}
