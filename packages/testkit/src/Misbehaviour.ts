/**
 * What routers do wrong: the ways in which a `FakeRouter` can be told to answer badly, or not at all.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/**
 * The actions of UPnP that the router knows.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Action = "GetExternalIPAddress" | "AddPortMapping" | "DeletePortMapping" | "GetSpecificPortMappingEntry"

/**
 * What is asked for over HTTP: the description of the router, or one of its actions.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Page = "Description" | Action

/**
 * How far an exchange over HTTP gets before it stops: the request has been read, the head of the answer has been sent,
 * the head and half of the body, or all of it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Moment = "Request" | "Head" | "HalfBody" | "Body"

/**
 * How the head of an answer over HTTP is written:
 *
 * - `LineFeeds`: its lines end in LF only.
 * - `Spaces`: with spaces before colons and after values.
 * - `NoSpaces`: without any after colons, and names in lower case.
 * - `NoReason`: the status line ends after the status.
 * - `NoType`: without a content type.
 * - `Twice`: every header is there twice.
 * - `Junk`: with lines that are no headers.
 * - `BlankLines`: with blank lines before the status line.
 * - `Continue`: after a head of status 100.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type HeadStyle =
  | "LineFeeds"
  | "Spaces"
  | "NoSpaces"
  | "NoReason"
  | "NoType"
  | "Twice"
  | "Junk"
  | "BlankLines"
  | "Continue"

/**
 * How the body of an answer over HTTP is delimited:
 *
 * - `Close`: HTTP/1.0, without a length, and the connection is closed.
 * - `Open`: without a length, and the connection stays open.
 * - `Chunks`: in chunks, as it should be.
 * - `LooseChunks`: in chunks whose sizes have zeros, spaces and extensions, and whose lines end in LF only.
 * - `UnendedChunks`: in chunks without the last, which is empty; then the connection is closed.
 * - `NoChunks`: it says that there are chunks, and there are none.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Framing = "Close" | "Open" | "Chunks" | "LooseChunks" | "UnendedChunks" | "NoChunks"

/**
 * How the headers of an answer to a search are written: as in `HeadStyle`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type SearchStyle = Extract<HeadStyle, "LineFeeds" | "Spaces" | "NoSpaces">

/**
 * What is asked for in NAT-PMP and PCP: the external address, for which PCP has no request, or a mapping, or its removal.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Question = "ExternalAddress" | "Map"

/**
 * One way to misbehave. Whatever is done to the answer to an action is done after the action was carried out, as when
 * the answer is lost; only a fault carries out nothing.
 *
 * To the search of UPnP (SSDP):
 * - `SilentSearch`: no answer.
 * - `GarbageSearch`: an answer that is no HTTP.
 * - `SearchWithoutLocation`: an answer that names no description.
 * - `SearchLocation`: an answer that says that the description is at `url`.
 * - `ManyDevices`: first `count` answers whose descriptions do not exist (404), then the right one.
 * - `SearchTargets`: no answer to searches for anything but these.
 * - `SearchType`: an answer that claims to be for `type`, whatever was searched for; without one, for nothing.
 * - `SearchStyle`: an answer whose headers are written in another way.
 *
 * To connections (TCP) and requests (HTTP):
 * - `DeafConnection`: it takes the connection, and then nothing happens any more.
 * - `ResetConnection`: it takes the connection and resets it.
 * - `Hang`, `Reset`: it goes on no more after that moment, or resets the connection.
 * - `CutShort`: it closes the connection after half of the body that it announced.
 * - `Slow`: it sends one byte after each `interval`.
 * - `NoHttp`: what it sends is no HTTP.
 * - `HttpStatus`: that status, with a page for human readers.
 * - `EmptyBody`, `GarbageXml`: status 200, and nothing in it, or nothing that is well-formed.
 * - `EntityBomb`: a document type whose entities expand to gigabytes, before the right answer.
 * - `HugeBody`: the right answer, and a comment of so many `bytes`.
 * - `EndlessBody`: a body that never ends; in a description, of one device after the other.
 * - `Redirect`: to `url`, which may be relative.
 * - `OneSegment`: a request whose head comes without its body is not answered; the connection is closed.
 * - `Head`: the head of the answer is written in another way.
 * - `Framed`: the body of the answer is delimited in another way.
 * - `WrongLength`: a `Content-Length` that is `by` too large, or too small when that is negative; then the connection is
 *   closed.
 *
 * To documents, within the length that the answer states:
 * - `Before`, `After`: `text` before or after the document.
 * - `BareAmpersand`: an element whose text has `&` in it that is not escaped.
 * - `Latin1`: an element whose text is in ISO 8859-1, in a document that is said to be UTF-8.
 * - `OtherCase`: the names of all elements are in lower case.
 * - `Prefixes`: the prefixes of the elements are others, which nobody declares.
 * - `OtherNamespace`: the elements of an action are in another namespace than that of its service.
 * - `BrokenFault`: the action is refused with `code`, in a document that is not well-formed after that.
 *
 * In the description:
 * - `NoService`: no service that maps ports.
 * - `DeepDevices`: the service is in a device in a device, and so on, `depth` times.
 * - `ControlUrl`: the service says that it is controlled at `url`.
 * - `UrlBase`: the description says that its URLs are relative to `url`.
 * - `IdleService`: before the right service one of the same type, whose connection is down: its external address is
 *   `address` (0.0.0.0 if it is not given), and it maps no ports.
 * - `ServiceType`: the service says that it is of this type, and knows no other.
 * - `ServiceAtRoot`: the service is in the root device itself.
 *
 * In answers to actions:
 * - `WrongAnswer`: the response element of another action.
 * - `Fault`: the action is refused with `code`; with a `port`, only when it is for that external port. With a `status`,
 *   that is the one of the answer, instead of 500.
 * - `FaultWithoutCode`: a fault that does not say which.
 * - `OnlyPermanentLeases`: fault 725 for every lease but 0.
 * - `LeaseRefused`: fault `code` for every lease but 0.
 * - `DescriptionLimit`: fault `code` for every description of a mapping that is longer than `length`.
 * - `ConflictCode`: fault `code`, and not 718, when a port is another host's.
 *
 * In what it says and does, in every protocol:
 * - `ExternalAddress`: it says that its external address is this text. In NAT-PMP and PCP what is no IPv4 address is
 *   0.0.0.0.
 * - `LyingLease`: it keeps each mapping for `granted` seconds, and says that it does so for `told` seconds, each if it is
 *   given. In UPnP only `GetSpecificPortMappingEntry` says so.
 * - `Forgetful`: it agrees to every mapping, and makes none.
 *
 * In NAT-PMP and PCP (UDP), in answers to that question, or in all answers:
 * - `SilentPort`: no answer.
 * - `ClosedPort`: nobody listens, and the network says so.
 * - `GarbageDatagram`: bytes of no meaning.
 * - `TruncatedAnswer`: only the first `length` bytes.
 * - `WrongOpcode`: the answer to another opcode.
 * - `WrongVersion`: the answer claims to be of that version.
 * - `WrongNonce`: a PCP answer with another nonce than the request's.
 * - `Refusal`: the question is refused with that result code.
 * - `OtherSource`: the answer comes from another port.
 * - `BackwardEpoch`: each answer is of an epoch long before that of the one before.
 * - `DeafToVersion`: packets of a version are not answered, not even with "I do not speak this version".
 * - `ShortPorts`: the ports in NAT-PMP's answers are cut to eight bits.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Misbehaviour = Data.TaggedEnum<{
  SilentSearch: {}
  GarbageSearch: {}
  SearchWithoutLocation: {}
  SearchLocation: { readonly url: string }
  ManyDevices: { readonly count: number }
  SearchTargets: { readonly targets: ReadonlyArray<string> }
  SearchType: { readonly type?: string | undefined }
  SearchStyle: { readonly style: SearchStyle }

  DeafConnection: {}
  ResetConnection: {}
  Hang: { readonly at: Page; readonly after: Moment }
  Reset: { readonly at: Page; readonly after: Moment }
  CutShort: { readonly at: Page }
  Slow: { readonly at: Page; readonly interval: Duration.Input }
  NoHttp: { readonly at: Page }
  HttpStatus: { readonly at: Page; readonly status: number }
  EmptyBody: { readonly at: Page }
  GarbageXml: { readonly at: Page }
  EntityBomb: { readonly at: Page }
  HugeBody: { readonly at: Page; readonly bytes: number }
  EndlessBody: { readonly at: Page }
  Redirect: { readonly at: Page; readonly url: string }
  OneSegment: {}
  Head: { readonly at: Page; readonly style: HeadStyle }
  Framed: { readonly at: Page; readonly as: Framing }
  WrongLength: { readonly at: Page; readonly by: number }

  Before: { readonly at: Page; readonly text: string }
  After: { readonly at: Page; readonly text: string }
  BareAmpersand: { readonly at: Page }
  Latin1: { readonly at: Page }
  OtherCase: { readonly at: Page }
  Prefixes: { readonly at: Page }
  OtherNamespace: { readonly at: Action }
  BrokenFault: { readonly at: Action; readonly code: number }

  NoService: {}
  DeepDevices: { readonly depth: number }
  ControlUrl: { readonly url: string }
  UrlBase: { readonly url: string }
  IdleService: { readonly address?: string | undefined }
  ServiceType: { readonly type: string }
  ServiceAtRoot: {}

  WrongAnswer: { readonly at: Action }
  Fault: {
    readonly at: Action
    readonly code: number
    readonly port?: number | undefined
    readonly status?: number | undefined
  }
  FaultWithoutCode: { readonly at: Action }
  OnlyPermanentLeases: {}
  LeaseRefused: { readonly code: number }
  DescriptionLimit: { readonly length: number; readonly code: number }
  ConflictCode: { readonly code: number }

  ExternalAddress: { readonly address: string }
  LyingLease: { readonly granted?: number | undefined; readonly told?: number | undefined }
  Forgetful: {}

  SilentPort: { readonly at?: Question | undefined }
  ClosedPort: {}
  GarbageDatagram: { readonly at?: Question | undefined }
  TruncatedAnswer: { readonly at?: Question | undefined; readonly length: number }
  WrongOpcode: { readonly at?: Question | undefined }
  WrongVersion: { readonly at?: Question | undefined; readonly version: number }
  WrongNonce: {}
  Refusal: { readonly at: Question; readonly code: number }
  OtherSource: { readonly at?: Question | undefined }
  BackwardEpoch: {}
  DeafToVersion: { readonly version: number }
  ShortPorts: {}
}>

const misbehaviour = Data.taggedEnum<Misbehaviour>()

/**
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const {
  After,
  BackwardEpoch,
  BareAmpersand,
  Before,
  BrokenFault,
  ClosedPort,
  ConflictCode,
  ControlUrl,
  CutShort,
  DeafConnection,
  DeafToVersion,
  DeepDevices,
  DescriptionLimit,
  EmptyBody,
  EndlessBody,
  EntityBomb,
  ExternalAddress,
  Fault,
  FaultWithoutCode,
  Forgetful,
  Framed,
  GarbageDatagram,
  GarbageSearch,
  GarbageXml,
  Hang,
  Head,
  HttpStatus,
  HugeBody,
  IdleService,
  Latin1,
  LeaseRefused,
  LyingLease,
  ManyDevices,
  NoHttp,
  NoService,
  OneSegment,
  OnlyPermanentLeases,
  OtherCase,
  OtherNamespace,
  OtherSource,
  Prefixes,
  Redirect,
  Refusal,
  Reset,
  ResetConnection,
  SearchLocation,
  SearchStyle,
  SearchTargets,
  SearchType,
  SearchWithoutLocation,
  ServiceAtRoot,
  ServiceType,
  ShortPorts,
  SilentPort,
  SilentSearch,
  Slow,
  TruncatedAnswer,
  UrlBase,
  WrongAnswer,
  WrongLength,
  WrongNonce,
  WrongOpcode,
  WrongVersion
} = misbehaviour
