/**
 * Says what a broken transport changes, and which rule must notice.
 */
import type { BackingRecvStream, BackingSendStream, RecvEvents } from "@qp2p/core/Transport"
import type { Changes } from "./brokenTransport.ts"

/** What is wrong with a transport, and what the suite says of it. */
export interface Break {
  readonly how: string
  /** Made anew for each run: breaks may remember. */
  readonly changes: () => Changes
  readonly says: RegExp
}

export type Breaks = Readonly<Record<string, Break>>

export const breaking = (how: string, says: RegExp, changes: () => Changes): Break => ({ how, changes, says })

/** The same break for several rules. */
export const all = (titles: ReadonlyArray<string>, found: Break): Breaks =>
  Object.fromEntries(titles.map((title) => [title, found]))

export const never = (what: string) => new RegExp(`never happened: ${what}`, "u")

export const ignore = () => {}

/** Each sending half as `change` makes it. */
export const sending =
  (change: (real: BackingSendStream) => Partial<BackingSendStream>): (() => Changes) =>
  () => ({ send: change })

/** Each receiving half as `change` makes it. */
export const receiving =
  (change: (real: BackingRecvStream, events: () => RecvEvents) => Partial<BackingRecvStream>): (() => Changes) =>
  () => ({ receive: change })

/** Whatever is told to receiving halves, as `change` makes it. */
export const telling =
  (change: (real: RecvEvents) => Partial<RecvEvents>): (() => Changes) =>
  () => ({ recvEvents: change })
