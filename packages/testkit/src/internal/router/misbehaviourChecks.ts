/** Checks misbehaviours from callers without types. */
import type { InvalidArgument } from "@qp2p/core/InvalidArgument"
import {
  check,
  type Check,
  type Fields,
  ofFields,
  ofValue,
  oneOf,
  optional,
  positiveDuration,
  text
} from "@qp2p/core/InvalidArgument"
import type { Misbehaviour } from "../../Misbehaviour.ts"
import { atLeast } from "../checks.ts"

const actions = ["GetExternalIPAddress", "AddPortMapping", "DeletePortMapping", "GetSpecificPortMappingEntry"]

const action = oneOf(...actions)
const page = oneOf("Description", ...actions)
const moment = oneOf("Request", "Head", "HalfBody", "Body")
const question = oneOf("ExternalAddress", "Map")
const anywhere = optional(question)
const count = atLeast(0)
const headStyle = oneOf(
  "LineFeeds",
  "Spaces",
  "NoSpaces",
  "NoReason",
  "NoType",
  "Twice",
  "Junk",
  "BlankLines",
  "Continue"
)
const integer = check("must be an integer", Number.isInteger)

/** The type makes the compiler ask for an entry when a misbehaviour is added. */
const ways: { readonly [T in Misbehaviour["_tag"]]: Readonly<Record<string, Check>> } = {
  SilentSearch: {},
  GarbageSearch: {},
  SearchWithoutLocation: {},
  SearchLocation: { url: text },
  ManyDevices: { count },
  SearchTargets: {
    targets: check(
      "must be an array of strings",
      (value) => Array.isArray(value) && value.every((each) => typeof each === "string")
    )
  },
  SearchType: { type: optional(text) },
  SearchStyle: { style: oneOf("LineFeeds", "Spaces", "NoSpaces") },
  DeafConnection: {},
  ResetConnection: {},
  Hang: { at: page, after: moment },
  Reset: { at: page, after: moment },
  CutShort: { at: page },
  Slow: { at: page, interval: positiveDuration },
  NoHttp: { at: page },
  HttpStatus: { at: page, status: integer },
  EmptyBody: { at: page },
  GarbageXml: { at: page },
  EntityBomb: { at: page },
  HugeBody: { at: page, bytes: count },
  EndlessBody: { at: page },
  Redirect: { at: page, url: text },
  OneSegment: {},
  Head: { at: page, style: headStyle },
  Framed: { at: page, as: oneOf("Close", "Open", "Chunks", "LooseChunks", "UnendedChunks", "NoChunks") },
  WrongLength: { at: page, by: integer },
  Before: { at: page, text },
  After: { at: page, text },
  BareAmpersand: { at: page },
  Latin1: { at: page },
  OtherCase: { at: page },
  Prefixes: { at: page },
  OtherNamespace: { at: action },
  BrokenFault: { at: action, code: integer },
  NoService: {},
  DeepDevices: { depth: count },
  ControlUrl: { url: text },
  UrlBase: { url: text },
  IdleService: { address: optional(text) },
  ServiceType: { type: text },
  ServiceAtRoot: {},
  WrongAnswer: { at: action },
  Fault: { at: action, code: integer, port: optional(integer), status: optional(integer) },
  FaultWithoutCode: { at: action },
  OnlyPermanentLeases: {},
  LeaseRefused: { code: integer },
  DescriptionLimit: { length: count, code: integer },
  ConflictCode: { code: integer },
  ExternalAddress: { address: text },
  LyingLease: { granted: optional(count), told: optional(count) },
  Forgetful: {},
  SilentPort: { at: anywhere },
  ClosedPort: {},
  GarbageDatagram: { at: anywhere },
  TruncatedAnswer: { at: anywhere, length: count },
  WrongOpcode: { at: anywhere },
  WrongVersion: { at: anywhere, version: integer },
  WrongNonce: {},
  Refusal: { at: question, code: integer },
  OtherSource: { at: anywhere },
  BackwardEpoch: {},
  DeafToVersion: { version: integer },
  ShortPorts: {}
}

/** Returns what is wrong with a misbehaviour from a caller without types; undefined for a valid one. */
export const wrongMisbehaviour = (given: unknown): InvalidArgument | undefined => {
  const wrong = ofFields("misbehaviour", given, {})
  if (wrong !== undefined) return wrong
  const { _tag: tag } = given as { readonly _tag: unknown }
  const known = typeof tag === "string" && Object.hasOwn(ways, tag)
  const fields: Fields = known ? ways[tag as Misbehaviour["_tag"]] : {}
  const unknown = ofValue(
    "misbehaviour._tag",
    tag,
    check("must be a way to misbehave", () => known)
  )
  return unknown ?? ofFields("misbehaviour", given, fields)
}
