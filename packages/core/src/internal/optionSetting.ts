/**
 * Decodes the options of an endpoint, apart from its settings, in a configuration source, where every value is text.
 */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import type { InvalidAddress } from "../ConnectionError.ts"
import * as address from "./address.ts"
import type { SettingTexts } from "./configSource.ts"

const Address = Schema.declare(
  (input): input is NetAddress.InetAddress | string => Predicate.isString(input) || NetAddress.isInetAddress(input)
)

const zone = /%[^\]]+\]/u

/** Reads an address. Text whose zone is the name of an interface stays text: only the transport knows the interfaces. */
const read = (text: string): Result.Result<NetAddress.InetAddress | string, InvalidAddress> => {
  const resolved = address.resolve(text)
  return Result.isFailure(resolved) && Result.isSuccess(address.resolve(text.replace(zone, "%1]")))
    ? Result.succeed(text)
    : resolved
}

const AddressText = Schema.Trim.pipe(
  Schema.decodeTo(Address, {
    decode: SchemaGetter.transformEffect((text: string, options) =>
      Effect.mapError(
        Effect.fromResult(read(text)),
        ({ detail }) => new SchemaIssue.InvalidValue({ message: detail }, text, options)
      )
    ),
    encode: SchemaGetter.transform(String)
  })
)

const StreamsText = Schema.Trim.pipe(
  Schema.decodeTo(Schema.Literals(["Messages", "Manual"]).annotate({ message: 'must be "Messages" or "Manual"' }))
)

const decodeUnknown = SchemaParser.decodeUnknownEffect(
  Schema.Struct({
    localAddress: Schema.optionalKey(AddressText),
    contacts: Schema.optionalKey(Schema.Array(AddressText)),
    streams: Schema.optionalKey(StreamsText)
  })
)

/** Decodes the options of an endpoint. `contacts` is a list, or text with commas between addresses. */
export const decode = ({ contacts, localAddress, streams }: SettingTexts) =>
  decodeUnknown({
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(contacts === undefined ? {} : { contacts: typeof contacts === "string" ? contacts.split(",") : contacts }),
    ...(streams === undefined ? {} : { streams })
  })
