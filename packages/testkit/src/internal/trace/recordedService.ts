/** Records what a test does to a network. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"

const isPlain = (value: object) => Object.getPrototypeOf(value) === Object.prototype

/** Stands for a value that is not written out. */
const omitted = "…"

/** Writes arguments as a test would. */
const written = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`
  if (Duration.isDuration(value)) return JSON.stringify(Duration.format(value))
  if (!Predicate.isObjectKeyword(value)) return String(value)
  if (NetAddress.isInetAddress(value) || NetAddress.isIpAddress(value)) return JSON.stringify(String(value))
  if (!isPlain(value)) return omitted
  const fields = Object.entries(value)
    .filter(([key]) => !key.startsWith("~"))
    .map(([key, field]) => [key, written(field)] as const)
    .filter(([, field]) => field !== omitted)
  return fields.length === 0 ? omitted : `{ ${fields.map(([key, field]) => `${key}: ${field}`).join(", ")} }`
}

// The service may be any, so the errors and requirements of its effects are unknown.
// @effect-diagnostics anyUnknownInErrorContext:off

/**
 * Wraps a service: each method that returns an effect, and each effect, adds a line when it runs. This covers members
 * that are added later, and the members of a plain object that such an effect yields, such as a gateway.
 */
export const recordedService = <Service extends object>(
  service: Service,
  name: string,
  note: (text: string) => void
): Service => {
  const noted = (effect: Effect.Effect<unknown, unknown, unknown>, member: string, text: string) =>
    Effect.suspend(() => {
      note(`${name}: ${text}`)
      return Effect.map(effect, (value) =>
        Predicate.isObjectKeyword(value) && isPlain(value) ? recordedService(value, `${name} ${member}`, note) : value
      )
    })
  return new Proxy(service, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key, target)
      const called = String(key)
      if (Effect.isEffect(member)) return noted(member, called, called)
      if (typeof member !== "function") return member
      return (...parameters: ReadonlyArray<unknown>) => {
        const result: unknown = Reflect.apply(member, target, parameters)
        const text = `${called}(${parameters.map(written).join(", ")})`
        return Effect.isEffect(result) ? noted(result, called, text) : result
      }
    }
  })
}
