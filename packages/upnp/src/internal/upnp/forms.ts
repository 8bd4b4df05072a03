/**
 * The variants in which a mapping is requested. Routers refuse what they do not support with unspecific codes, or with
 * an answer that cannot be read, so other variants are tried.
 */
import * as Effect from "effect/Effect"
import { faults, isConflict } from "./faults.ts"
import type { Owner } from "./owner.ts"
import * as soap from "./soap.ts"

/** The variant of a request that a gateway accepts. */
export interface Variant {
  /** Without a lease, for gateways that support only permanent mappings. */
  readonly permanent: boolean
  /** With a short description of simple characters. */
  readonly plain: boolean
}

/** The first variant of a request, and what decides which variants follow. */
export interface Form {
  /** The variant to try first. */
  readonly variant: Variant
  /** Whether the plain description differs from the full one. */
  readonly hasPlain: boolean
  readonly send: (variant: Variant) => Effect.Effect<unknown, soap.CallError>
  /** Asks the gateway which host the port is mapped to. */
  readonly owner: Effect.Effect<Owner>
}

/** Shortens a description to a length and to characters that every known router accepts. */
export const plainOf = (description: string): string =>
  description
    .replace(/[^A-Za-z0-9 ._-]/g, "")
    .slice(0, 11)
    .trim() || "qp2p"

/** Fault codes that routers are known to use for these causes, beside the codes' own meaning. */
const leaseFaults = new Set<number>([faults.onlyPermanentLeases, faults.invalidArgs, faults.actionFailed])
const descriptionFaults = new Set<number>([
  faults.invalidArgs,
  faults.actionFailed,
  faults.argumentInvalid,
  faults.textTooLong
])

/** HTTP statuses of servers that are busy, or did not read the whole request. */
const temporaryStatuses = new Set([400, 500, 503])

/**
 * Requests the mapping in one variant after the other, while another one may help, and returns the variant that worked.
 * When the answer to an accepted request cannot be read, the gateway's table tells. Fails with the first refusal, or
 * with a later one that says that the port is taken.
 */
export const request = Effect.fnUntraced(function* (form: Form): Effect.fn.Return<Variant, soap.CallError> {
  const first = yield* Effect.result(attempt(form, form.variant))
  if (first._tag === "Success") return form.variant
  let { failure } = first
  for (const variant of alternatives(form, failure)) {
    const again = yield* Effect.result(attempt(form, variant))
    if (again._tag === "Success") return variant
    if (again.failure._tag !== "Fault") return yield* again.failure
    if (isConflict(again.failure.code)) failure = again.failure
  }
  return yield* failure
})

/** The variants to try after a failure. The description is given up before the lease. */
const alternatives = ({ hasPlain, variant }: Form, failure: soap.CallError): ReadonlyArray<Variant> => {
  if (failure._tag !== "Fault") return []
  const asLease = !variant.permanent && leaseFaults.has(failure.code)
  const asDescription = hasPlain && !variant.plain && descriptionFaults.has(failure.code)
  return [
    ...(asDescription ? [{ ...variant, plain: true }] : []),
    ...(asLease ? [{ ...variant, permanent: true }] : []),
    ...(asDescription && asLease ? [{ permanent: true, plain: true }] : [])
  ]
}

const attempt = (form: Form, variant: Variant): Effect.Effect<unknown, soap.CallError> =>
  Effect.catch(form.send(variant), (error) => {
    if (error._tag === "Unreadable") {
      if (error.status === 200) return confirmed(form, error)
      return temporaryStatuses.has(error.status) ? form.send(variant) : Effect.fail(error)
    }
    return error._tag === "Fault" && error.code === faults.actionFailed
      ? resolveActionFailed(form, variant, error)
      : Effect.fail(error)
  })

/** Checks a request that was answered with HTTP 200 and an unreadable body. */
const confirmed = ({ owner }: Form, error: soap.Unreadable): Effect.Effect<void, soap.Unreadable> =>
  Effect.flatMap(owner, (whose) => (whose === "Ours" ? Effect.void : Effect.fail(error)))

/**
 * Some routers answer ActionFailed for a port that is taken, even by the requesting host, and some only for the first
 * request.
 */
const resolveActionFailed = (
  form: Form,
  variant: Variant,
  failed: soap.Fault
): Effect.Effect<unknown, soap.CallError> =>
  Effect.flatMap(form.owner, (whose) => {
    const conflict = new soap.Fault({ code: faults.conflict, description: failed.description })
    if (whose === "Others") return Effect.fail(conflict)
    return Effect.mapError(form.send(variant), (error) =>
      whose === "Ours" && error._tag === "Fault" && error.code === faults.actionFailed ? conflict : error
    )
  })
