/**
 * In what forms a mapping is asked for. Routers refuse what they do not support with codes that do not tell what that is, and
 * some say only that it did not work, or nothing that can be read.
 */
import * as Effect from "effect/Effect"
import { faults, isConflict } from "./faults.ts"
import type { Owner } from "./owner.ts"
import * as soap from "./soap.ts"

/** How a gateway is asked. */
export interface Manner {
  /** For ever, because it grants no leases. */
  readonly permanent: boolean
  /** With a description of few and simple characters. */
  readonly plain: boolean
}

export interface Form {
  /** How it is asked first. */
  readonly manner: Manner
  /** Whether the plain description is another one. */
  readonly hasPlain: boolean
  readonly send: (manner: Manner) => Effect.Effect<unknown, soap.CallError>
  /** Whom the port leads to. */
  readonly owner: Effect.Effect<Owner>
}

/** As long as the shortest that a router is known to take, without what some of them know no place for. */
export const plainOf = (description: string): string =>
  description
    .replace(/[^A-Za-z0-9 ._-]/g, "")
    .slice(0, 11)
    .trim() || "qp2p"

/** What the codes are known to stand for, beside what they say. */
const mayBeLease = new Set<number>([faults.onlyPermanentLeases, faults.invalidArgs, faults.actionFailed])
const mayBeDescription = new Set<number>([
  faults.invalidArgs,
  faults.actionFailed,
  faults.argumentInvalid,
  faults.textTooLong
])

/** Statuses of servers that were busy, or did not read the request to its end. */
const mayBePassing = new Set([400, 500, 503])

/**
 * Asks for the mapping, in one form after the other while there are others that may help, and gives the one that did. What
 * the gateway agrees to in words that cannot be read is looked up. Fails with the first refusal, or with a later one that
 * says that the port is taken.
 */
export const request = Effect.fnUntraced(function* (form: Form): Effect.fn.Return<Manner, soap.CallError> {
  const first = yield* Effect.result(attempt(form, form.manner))
  if (first._tag === "Success") return form.manner
  let { failure } = first
  for (const manner of alternatives(form, failure)) {
    const again = yield* Effect.result(attempt(form, manner))
    if (again._tag === "Success") return manner
    if (again.failure._tag !== "Fault") return yield* again.failure
    if (isConflict(again.failure.code)) failure = again.failure
  }
  return yield* failure
})

/** Leases are better than none, so the description is given up before them. */
const alternatives = ({ hasPlain, manner }: Form, failure: soap.CallError): ReadonlyArray<Manner> => {
  if (failure._tag !== "Fault") return []
  const asLease = !manner.permanent && mayBeLease.has(failure.code)
  const asDescription = hasPlain && !manner.plain && mayBeDescription.has(failure.code)
  return [
    ...(asDescription ? [{ ...manner, plain: true }] : []),
    ...(asLease ? [{ ...manner, permanent: true }] : []),
    ...(asDescription && asLease ? [{ permanent: true, plain: true }] : [])
  ]
}

const attempt = (form: Form, manner: Manner): Effect.Effect<unknown, soap.CallError> =>
  Effect.catch(form.send(manner), (error) => {
    if (error._tag === "Unreadable") {
      if (error.status === 200) return settled(form, error)
      return mayBePassing.has(error.status) ? form.send(manner) : Effect.fail(error)
    }
    return error._tag === "Fault" && error.code === faults.actionFailed
      ? explained(form, manner, error)
      : Effect.fail(error)
  })

/** It said that it is well, and what it said then cannot be read. */
const settled = ({ owner }: Form, error: soap.Unreadable): Effect.Effect<void, soap.Unreadable> =>
  Effect.flatMap(owner, (whose) => (whose === "Ours" ? Effect.void : Effect.fail(error)))

/** "It failed" is what some say of a port that is taken, even by the host that asks, and others only the first time. */
const explained = (form: Form, manner: Manner, failed: soap.Fault): Effect.Effect<unknown, soap.CallError> =>
  Effect.flatMap(form.owner, (whose) => {
    const conflict = new soap.Fault({ code: faults.conflict, description: failed.description })
    if (whose === "Others") return Effect.fail(conflict)
    return Effect.mapError(form.send(manner), (error) =>
      whose === "Ours" && error._tag === "Fault" && error.code === faults.actionFailed ? conflict : error
    )
  })
