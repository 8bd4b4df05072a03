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
import * as PeerAddress from "../PeerAddress.ts"
import type { SettingTexts } from "./configSource.ts"
import { splitList } from "./identity/peerAddressText.ts"

const Address = Schema.declare(
  (input): input is NetAddress.InetAddress | string => Predicate.isString(input) || NetAddress.isInetAddress(input)
)

const zone = /%[^\]]+\]/u
const zones = /%[^\]]+\]/gu

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

const Peer = Schema.declare(
  (input): input is PeerAddress.Input => Predicate.isString(input) || PeerAddress.isPeerAddress(input)
)

/** Reads a peer. Text with the name of an interface stays text, as for addresses. */
const readPeer = (text: string): Result.Result<PeerAddress.Input, InvalidAddress> => {
  const peer = PeerAddress.fromString(text)
  return Result.isFailure(peer) && Result.isSuccess(PeerAddress.fromString(text.replaceAll(zones, "%1]")))
    ? Result.succeed(text)
    : peer
}

const PeerText = Schema.Trim.pipe(
  Schema.decodeTo(Peer, {
    decode: SchemaGetter.transformEffect((text: string, options) =>
      Effect.mapError(
        Effect.fromResult(readPeer(text)),
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
    contacts: Schema.optionalKey(Schema.Array(PeerText)),
    streams: Schema.optionalKey(StreamsText)
  })
)

/** Matches the comma of a peer without an id that is followed by white space, as in a list for people. */
const commaBeforeSpace = /(?<=(?:^|\s)[^\s@]*:\d+),(?=\s)/gu

/** Splits the text of a list of peers. Text that is no such list is one peer, whose error says why. */
const splitPeers = (text: string): ReadonlyArray<string> =>
  Result.getOrElse(splitList(text.replaceAll(commaBeforeSpace, "")), () => [text])

/** Decodes the options of an endpoint. `contacts` is a list, or the text of one, as `PeerAddress.listFromString` reads it. */
export const decode = ({ contacts, localAddress, streams }: SettingTexts) =>
  decodeUnknown({
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(contacts === undefined ? {} : { contacts: typeof contacts === "string" ? splitPeers(contacts) : contacts }),
    ...(streams === undefined ? {} : { streams })
  })
