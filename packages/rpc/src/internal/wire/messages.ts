/** The messages of Effect RPC in frames: what a peer sends is looked at before anything else sees it. */
import type { FromServerEncoded, RequestEncoded } from "effect/rpc/RpcMessage"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"

/** One parser for one stream: some serializations remember what they have read. */
export type Parser = RpcSerialization.Parser

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

const isId = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number"

const isOptional = (value: unknown, type: "string" | "boolean"): boolean => value === undefined || typeof value === type

const isHeader = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && typeof value[1] === "string"

const isRequest = (value: unknown): value is RequestEncoded =>
  isFields(value) &&
  value["_tag"] === "Request" &&
  isId(value["id"]) &&
  typeof value["tag"] === "string" &&
  Array.isArray(value["headers"]) &&
  value["headers"].every(isHeader) &&
  isOptional(value["traceId"], "string") &&
  isOptional(value["spanId"], "string") &&
  isOptional(value["sampled"], "boolean")

const isExit = (value: unknown): boolean =>
  isFields(value) && (value["_tag"] === "Success" || (value["_tag"] === "Failure" && value["cause"] !== undefined))

const isResponse = (value: unknown): value is FromServerEncoded => {
  if (!isFields(value)) return false
  switch (value["_tag"]) {
    case "Exit":
      // Serializations that know the schema leave bytes here.
      return isExit(value["exit"]) || value["exit"] instanceof Uint8Array
    case "Chunk":
      return Array.isArray(value["values"]) || value["values"] instanceof Uint8Array
    case "Defect":
      return "defect" in value
    default:
      return false
  }
}

/** The one message in a frame; undefined when there is none or more than one, or when the bytes are not of the serialization. */
const only = (parser: Parser, content: Uint8Array): unknown => {
  try {
    const messages = parser.decode(content)
    return messages.length === 1 ? messages[0] : undefined
  } catch {
    return undefined
  }
}

/** The request in a frame; undefined when it is anything else. */
export const request = (parser: Parser, content: Uint8Array): RequestEncoded | undefined => {
  const message = only(parser, content)
  return isRequest(message) ? message : undefined
}

/** The answer, or a part of it, in a frame; undefined when it is anything else. */
export const response = (parser: Parser, content: Uint8Array): FromServerEncoded | undefined => {
  const message = only(parser, content)
  return isResponse(message) ? message : undefined
}
