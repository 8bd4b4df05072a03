/**
 * The ways in which a `FakeRouter` can be told to answer wrongly, or not at all. Real routers do each of them.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/**
 * The UPnP actions that the router knows.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Action = "GetExternalIPAddress" | "AddPortMapping" | "DeletePortMapping" | "GetSpecificPortMappingEntry"

/**
 * The target of an HTTP request: the router's description, or one of its actions.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Page = "Description" | Action

/**
 * How far an HTTP exchange gets before it stops: the request was read, the head of the answer was sent, the head and
 * half of the body, or everything.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Moment = "Request" | "Head" | "HalfBody" | "Body"

/**
 * How the head of an HTTP answer is written.
 *
 * - `LineFeeds`: its lines end in LF only.
 * - `Spaces`: with spaces before colons and after values.
 * - `NoSpaces`: without spaces after colons, and with header names in lower case.
 * - `NoReason`: the status line ends after the status.
 * - `NoType`: without a content type.
 * - `Twice`: every header is there twice.
 * - `Junk`: with lines that are not headers.
 * - `BlankLines`: with blank lines before the status line.
 * - `Continue`: after a head with status 100.
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
 * How the body of an HTTP answer is delimited.
 *
 * - `Close`: HTTP/1.0 without a length; the connection is closed.
 * - `Open`: without a length; the connection stays open.
 * - `Chunks`: in chunks, correctly.
 * - `LooseChunks`: in chunks whose sizes have zeros, spaces and extensions, and whose lines end in LF only.
 * - `UnendedChunks`: in chunks without the last, empty one; then the connection is closed.
 * - `NoChunks`: the head announces chunks, and the body has none.
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
 * A request of NAT-PMP and PCP: for the external address, which PCP cannot request, or for a mapping or its removal.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Question = "ExternalAddress" | "Map"

/**
 * One way to misbehave. Changes to the answer of an action happen after the action was carried out, as when an answer
 * is lost; only a fault carries out nothing.
 *
 * To the search of UPnP (SSDP):
 * - `SilentSearch`: no answer.
 * - `GarbageSearch`: an answer that is not HTTP.
 * - `SearchWithoutLocation`: an answer without the location of a description.
 * - `SearchLocation`: an answer whose location is `url`.
 * - `ManyDevices`: first `count` answers whose descriptions do not exist (404), then the right one.
 * - `SearchTargets`: answers only to searches for these targets.
 * - `SearchType`: an answer for `type` to every search; without `type`, an answer that names none.
 * - `SearchStyle`: an answer whose headers are written in another way.
 *
 * To connections (TCP) and requests (HTTP):
 * - `DeafConnection`: the router accepts the connection and then does nothing.
 * - `ResetConnection`: the router accepts the connection and resets it.
 * - `Hang`, `Reset`: the exchange stops after that moment, or the connection is reset.
 * - `CutShort`: the router closes the connection after half of the announced body.
 * - `Slow`: the router sends one byte after each `interval`.
 * - `NoHttp`: the answer is not HTTP.
 * - `HttpStatus`: an answer with that status and a page for people.
 * - `EmptyBody`, `GarbageXml`: status 200 with an empty body, or with one that is not well-formed.
 * - `EntityBomb`: a document type whose entities expand to gigabytes, before the right answer.
 * - `HugeBody`: the right answer and a comment of so many `bytes`.
 * - `EndlessBody`: a body that never ends; in a description, an endless list of devices.
 * - `Redirect`: a redirect to `url`, which may be relative.
 * - `OneSegment`: a request whose head arrives without its body is not answered, and the connection is closed.
 * - `Head`: the head of the answer is written in another way.
 * - `Framed`: the body of the answer is delimited in another way.
 * - `WrongLength`: a `Content-Length` that is too large by `by`, or too small when that is negative; then the
 *   connection is closed.
 *
 * To documents, within the length that the answer states:
 * - `Before`, `After`: `text` before or after the document.
 * - `BareAmpersand`: an element whose text contains an unescaped `&`.
 * - `Latin1`: an element whose text is in ISO 8859-1, in a document that claims to be UTF-8.
 * - `OtherCase`: the names of all elements are in lower case.
 * - `Prefixes`: the elements have other prefixes, which are not declared.
 * - `OtherNamespace`: the elements of an action are in another namespace than that of its service.
 * - `BrokenFault`: the action is refused with `code`, in a document that is not well-formed after that.
 *
 * In the description:
 * - `NoService`: no service that maps ports.
 * - `DeepDevices`: the service is in devices nested `depth` deep.
 * - `ControlUrl`: the control URL of the service is `url`.
 * - `UrlBase`: the base of the description's URLs is `url`.
 * - `IdleService`: before the right service another one of the same type, whose connection is down: its external
 *   address is `address` (0.0.0.0 by default), and it maps no ports.
 * - `ServiceType`: the service has this type, and the router knows no other.
 * - `ServiceAtRoot`: the service is in the root device itself.
 *
 * In answers to actions:
 * - `WrongAnswer`: the response element of another action.
 * - `Fault`: the action is refused with `code`; with a `port`, only for that external port; with a `status`, in an
 *   answer with that status instead of 500.
 * - `FaultWithoutCode`: a fault without a code.
 * - `OnlyPermanentLeases`: fault 725 for every lease but 0.
 * - `LeaseRefused`: fault `code` for every lease but 0.
 * - `DescriptionLimit`: fault `code` for every mapping whose description is longer than `length`.
 * - `ConflictCode`: fault `code` instead of 718 when a port belongs to another host.
 *
 * In every protocol:
 * - `ExternalAddress`: the router reports this text as its external address. In NAT-PMP and PCP a text that is not an
 *   IPv4 address becomes 0.0.0.0.
 * - `LyingLease`: the router keeps each mapping for `granted` seconds and reports `told` seconds, each if it is given.
 *   In UPnP only `GetSpecificPortMappingEntry` reports it.
 * - `Forgetful`: the router agrees to every mapping and makes none.
 *
 * In NAT-PMP and PCP (UDP), in answers to that request, or in all answers:
 * - `SilentPort`: no answer.
 * - `ClosedPort`: the port is closed, and the network says so (ICMP).
 * - `GarbageDatagram`: meaningless bytes.
 * - `TruncatedAnswer`: only the first `length` bytes.
 * - `WrongOpcode`: the answer to another opcode.
 * - `WrongVersion`: the answer has that version.
 * - `WrongNonce`: a PCP answer whose nonce is not that of the request.
 * - `Refusal`: the request is refused with that result code.
 * - `OtherSource`: the answer comes from another port.
 * - `BackwardEpoch`: the epoch of each answer is far below that of the one before.
 * - `DeafToVersion`: packets of a version are not answered, not even with "unsupported version".
 * - `ShortPorts`: the ports in NAT-PMP's answers are truncated to eight bits.
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
 * The constructors of `Misbehaviour`.
 *
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
