/** Payloads and wire messages in a few words. */
import { Decoder, type WireMessage } from "@qp2p/core/WireMessage"

/** Bytes of a payload that are shown. */
const shown = 32

const unprintable = /[\p{C}\uFFFD]/u

/** What a payload begins with: as text when it is some, else in hexadecimal. */
export const preview = (bytes: Uint8Array): string => {
  const cut = bytes.length > shown
  const head = bytes.subarray(0, shown)
  // A character may continue beyond the cut: it is left out.
  const text = new TextDecoder().decode(head, { stream: cut })
  const ellipsis = cut ? "…" : ""
  if (!unprintable.test(text.replace(/[\t\n\r]/g, ""))) return JSON.stringify(text + ellipsis)
  return `0x${Array.from(head, (byte) => byte.toString(16).padStart(2, "0")).join("")}${ellipsis}`
}

export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** Text that may cost something to make, and is made only if somebody reads it. */
export type Text = string | (() => string)

const payloadText = (bytes: Uint8Array, prefix: string): Text => {
  const { length } = bytes
  // Just what will be shown, and one more byte that says that there is more. Not `slice`: that of a Node Buffer shares
  // memory.
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
  }
}

/** Reads one half of a stream along: a text for each message, or for each chunk once it is not qp2p's protocol. */
export class Frames {
  private readonly decoder = new Decoder({ maxMessageSize: 0xffff_ffff })
  private foreign = false
  private begun = false

  /** Copies what it keeps of `chunk`. */
  read(chunk: Uint8Array): Array<Text> {
    const texts: Array<Text> = []
    if (!this.begun && chunk.length > 0) {
      this.begun = true
      // Every frame begins so. The decoder would wait for a whole header, and a short stream has none.
      this.foreign = chunk[0] !== 0
    }
    if (!this.foreign) {
      const messages: Array<WireMessage> = []
      this.foreign = this.decoder.push(chunk, messages) !== undefined
      for (const message of messages) texts.push(messageText(message))
    }
    if (this.foreign && chunk.length > 0) texts.push(payloadText(chunk, ""))
    return texts
  }

  /** What there is to say about a message that has not come to its end. */
  get rest(): string {
    const error = this.foreign ? undefined : this.decoder.end()
    return error === undefined ? "" : `; ${error.reason}`
  }
}
