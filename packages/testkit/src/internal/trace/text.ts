/** Describes payloads and wire messages in a few words. */
import { Decoder, encode, type WireMessage } from "@qp2p/core/WireMessage"

/** How many bytes of a payload are shown. */
const shown = 32

const unprintable = /[\p{C}\uFFFD]/u

/** The beginning of a payload: as text if it is UTF-8, otherwise in hexadecimal. */
export const preview = (bytes: Uint8Array): string => {
  const cut = bytes.length > shown
  const head = bytes.subarray(0, shown)
  // A character may continue after the cut: it is left out.
  const text = new TextDecoder().decode(head, { stream: cut })
  const ellipsis = cut ? "…" : ""
  if (!unprintable.test(text.replace(/[\t\n\r]/g, ""))) return JSON.stringify(text + ellipsis)
  return `0x${Array.from(head, (byte) => byte.toString(16).padStart(2, "0")).join("")}${ellipsis}`
}

/** Formats a count with its noun in the singular or with an "s". */
export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** A line, or a function that makes it only when the trace is read. */
export type Text = string | (() => string)

const payloadText = (bytes: Uint8Array, prefix: string): Text => {
  const { length } = bytes
  // The shown bytes and one more, which tells that there are more. Not `slice`, which shares memory for a Node Buffer.
  const head = new Uint8Array(bytes.subarray(0, shown + 1))
  return () => `${prefix}${countOf(length, "byte")} ${preview(head)}`
}

const messageText = (message: WireMessage): Text => {
  switch (message._tag) {
    case "UserMessage":
      return payloadText(message.payload, "message of ")
    case "EndpointEchoReq":
      return message._tag
    case "EndpointEchoResp":
    case "EndpointVerificationReq":
      return `${message._tag} ${message.address}`
    case "EndpointVerificationResp":
      return `${message._tag} ${message.reachable}`
    case "ProtocolOpenReq":
      return `${message._tag} ${JSON.stringify(message.protocol)}`
    case "ProtocolOpenResp":
      return `${message._tag} ${message.outcome}`
  }
}

/** Whether the bytes of a protocol follow the message. */
const isOfProtocol = ({ _tag }: WireMessage): boolean => _tag === "ProtocolOpenReq" || _tag === "ProtocolOpenResp"

/**
 * Decodes one half of a stream as it passes: a text for each message, or for each chunk once the bytes are not qp2p's
 * frames.
 */
export class Frames {
  private readonly decoder = new Decoder({ maxMessageSize: 0xffff_ffff })
  private foreign = false
  private begun = false
  /** The first message, once it is complete, and the bytes before the current chunk. */
  private first: WireMessage | undefined = undefined
  private before = 0

  /** Decodes `chunk`, and copies what it keeps. */
  read(chunk: Uint8Array): Array<Text> {
    const texts: Array<Text> = []
    if (!this.begun && chunk.length > 0) {
      this.begun = true
      // Every frame begins with this byte. The decoder would wait for a complete header, which a short stream does not
      // have.
      this.foreign = chunk[0] !== 0
    }
    let rest = chunk
    if (!this.foreign) {
      const messages: Array<WireMessage> = []
      this.foreign = this.decoder.push(chunk, messages) !== undefined
      const [first] = messages
      if (first !== undefined && this.first === undefined && isOfProtocol(first)) {
        // What follows are the bytes of the protocol, whatever they look like.
        this.foreign = true
        messages.length = 1
        rest = chunk.subarray(encode(first).length - this.before)
      }
      this.first ??= first
      this.before += chunk.length
      for (const message of messages) texts.push(messageText(message))
    }
    if (this.foreign && rest.length > 0) texts.push(payloadText(rest, ""))
    return texts
  }

  /** Describes a message that is not complete yet. */
  get rest(): string {
    const error = this.foreign ? undefined : this.decoder.end()
    return error === undefined ? "" : `; ${error.detail}`
  }
}
