/**
 * What routers do wrong: the ways in which a `FakeRouter` can be told to answer badly, or not at all.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/**
 * The actions of UPnP that the router knows.
 *
 * @category models
 * @since 0.1.0
 */
export type Action = "GetExternalIPAddress" | "AddPortMapping" | "DeletePortMapping" | "GetSpecificPortMappingEntry"

/**
 * What is asked for over HTTP: the description of the router, or one of its actions.
 *
 * @category models
 * @since 0.1.0
 */
export type Page = "Description" | Action

/**
 * How far an exchange over HTTP gets before it stops: the request has been read, the head of the answer has been sent,
 * or the head and half of the body.
 *
 * @category models
 * @since 0.1.0
 */
export type Moment = "Request" | "Head" | "HalfBody"

/**
 * What is asked for in NAT-PMP and PCP: the external address, for which PCP has no request, or a mapping, or its removal.
 *
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
 *
 * In the description:
 * - `NoService`: no service that maps ports.
 * - `DeepDevices`: the service is in a device in a device, and so on, `depth` times.
 * - `ControlUrl`: the service says that it is controlled at `url`.
 * - `UrlBase`: the description says that its URLs are relative to `url`.
 *
 * In answers to actions:
 * - `WrongAnswer`: the response element of another action.
 * - `Fault`: the action is refused with `code`; with a `port`, only when it is for that external port.
 * - `FaultWithoutCode`: a fault that does not say which.
 * - `OnlyPermanentLeases`: fault 725 for every lease but 0.
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
 *
 * @category models
 * @since 0.1.0
 */
export type Misbehaviour = Data.TaggedEnum<{
  SilentSearch: {}
  GarbageSearch: {}
  SearchWithoutLocation: {}
  SearchLocation: { readonly url: string }
  ManyDevices: { readonly count: number }

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

  NoService: {}
  DeepDevices: { readonly depth: number }
  ControlUrl: { readonly url: string }
  UrlBase: { readonly url: string }

  WrongAnswer: { readonly at: Action }
  Fault: { readonly at: Action; readonly code: number; readonly port?: number | undefined }
  FaultWithoutCode: { readonly at: Action }
  OnlyPermanentLeases: {}

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
}>

const misbehaviour = Data.taggedEnum<Misbehaviour>()

/**
 * @category constructors
 * @since 0.1.0
 */
export const {
  BackwardEpoch,
  ClosedPort,
  ControlUrl,
  CutShort,
  DeafConnection,
  DeepDevices,
  EmptyBody,
  EndlessBody,
  EntityBomb,
  ExternalAddress,
  Fault,
  FaultWithoutCode,
  Forgetful,
  GarbageDatagram,
  GarbageSearch,
  GarbageXml,
  Hang,
  HttpStatus,
  HugeBody,
  LyingLease,
  ManyDevices,
  NoHttp,
  NoService,
  OnlyPermanentLeases,
  OtherSource,
  Redirect,
  Refusal,
  Reset,
  ResetConnection,
  SearchLocation,
  SearchWithoutLocation,
  SilentPort,
  SilentSearch,
  Slow,
  TruncatedAnswer,
  UrlBase,
  WrongAnswer,
  WrongNonce,
  WrongOpcode,
  WrongVersion
} = misbehaviour
