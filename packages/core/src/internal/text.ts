/**
 * Converts text to UTF-8 and back. It declares the platform's coders, which every platform has but TypeScript's
 * platform-independent library does not.
 */

declare const TextEncoder: { new (): { readonly encode: (text: string) => Uint8Array } }

declare const TextDecoder: {
  new (
    encoding: "utf-8",
    options: { readonly fatal: boolean; readonly ignoreBOM: boolean }
  ): { readonly decode: (bytes: Uint8Array) => string }
}

const encoder = new TextEncoder()

/** It keeps a byte order mark, so that each text has one encoding. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const loneSurrogate = /[\ud800-\udfff]/u

/** Encodes text as UTF-8. A lone surrogate becomes U+FFFD: see `isWellFormed`. */
export const encodeText = (text: string): Uint8Array => encoder.encode(text)

/** Decodes UTF-8. Returns undefined when the bytes are not UTF-8. */
export const decodeText = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Whether text has no lone surrogate, and so an encoding in UTF-8. */
export const isWellFormed = (text: string): boolean => !loneSurrogate.test(text)

const invisible = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Escapes the characters that do not show or that move others, such as control characters and changes of direction. */
export const visible = (text: string): string =>
  text.replaceAll(invisible, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
