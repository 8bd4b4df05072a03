import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestConsole } from "effect/testing"
import * as doctor from "../../src/commands/doctor.ts"
import { ReportJson } from "../../src/doctor/Report.ts"
import { version } from "../../src/version.ts"
import { address, contactId, identity, peer } from "../support/findings.ts"
import {
  atHome,
  contact,
  contactAddress,
  endpointOn,
  gateway,
  inTime,
  layerOf,
  onNetwork
} from "../support/homeNetwork.ts"

/** What the command prints on a machine behind a router, and its exit code. */
const examined = Effect.fnUntraced(function* (options: {
  readonly json: boolean
  readonly contacts: ReadonlyArray<string>
}) {
  const host = atHome(yield* gateway("PortRestricted"))
  return yield* Effect.gen(function* () {
    const code = yield* doctor
      .run({ listen: address("0.0.0.0:4433"), contacts: options.contacts.map(peer), identity, json: options.json })
      .pipe(
        Effect.as(0),
        Effect.catchTag("Ended", ({ exitCode }) => Effect.succeed(exitCode)),
        inTime
      )
    return { code, out: (yield* TestConsole.logLines).map(String), errors: yield* TestConsole.errorLines }
  }).pipe(Effect.provide(Layer.merge(layerOf({ host }), TestConsole.layer)))
})

describe("qp2p doctor", () => {
  it.effect("prints what it found and a verdict; 0 when peers get through", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const { code, errors, out } = yield* examined({ json: false, contacts: [contactAddress] })
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(errors, [])
        assert.deepStrictEqual(out, [
          "looking at this machine, its router and the contacts, for up to 20 s",
          "addresses of this machine",
          "  eth0  192.168.1.5 (private, the way out)",
          "no default gateway",
          "trial mapping 1.2.3.1:49152 (public) -> 0.0.0.0:49152, removed again",
          "contact 5.6.7.8:4433",
          `  is the peer      ${contactId}`,
          "  sees us at       1.2.3.1:49153 (public)",
          "  without mapping  does not get through to 1.2.3.1:4433",
          "  with mapping     gets through to 1.2.3.1:49152",
          "verdict: reachable through the router's mapping, as just now at 1.2.3.1:49152",
          "  Run qp2p node --forward-port: it has the port forwarded for as long as it runs."
        ])
      })
    )
  )

  it.effect("prints nothing but one line of JSON when that is wanted", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const { code, errors, out } = yield* examined({ json: true, contacts: [contactAddress] })
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(errors, [])
        assert.strictEqual(out.length, 1)
        const report = Schema.decodeSync(ReportJson)(out[0]!)
        assert.deepStrictEqual(
          [report.version, report.verdict.name, report.contacts[0]?.outcome._tag],
          [version, "ReachableThroughMapping", "Answered"]
        )
      })
    )
  )

  it.effect.each([true, false])("exits with 1 when no peer answers (json: %s)", (json) =>
    onNetwork(
      Effect.gen(function* () {
        const { code, errors, out } = yield* examined({ json, contacts: [contactAddress] })
        assert.strictEqual(code, 1)
        assert.deepStrictEqual(errors, [])
        assert.include(out.join("\n"), "the contact does not answer")
      })
    )
  )

  it.effect("exits with 3 when it takes a contact to find out", () =>
    onNetwork(
      Effect.gen(function* () {
        const host = { address: "9.9.9.9" }
        const ended = yield* doctor
          .run({ listen: address("0.0.0.0:4433"), contacts: [], identity, json: false })
          .pipe(inTime, Effect.flip, Effect.provide(Layer.merge(layerOf({ host }), TestConsole.layer)))
        assert.deepStrictEqual([ended._tag, ended.exitCode], ["Ended", 3])
      })
    )
  )

  it.effect("says in one line why it cannot listen, and prints no report", () =>
    onNetwork(
      Effect.gen(function* () {
        const host = { address: "9.9.9.9" }
        yield* endpointOn(host, "0.0.0.0:4433")
        yield* Effect.gen(function* () {
          const listen = address("0.0.0.0:4433")
          const error = yield* Effect.flip(doctor.run({ listen, contacts: [], identity, json: true }))
          assert.deepStrictEqual(
            [error._tag, error.exitCode, error.message],
            ["CommandFailed", 1, "cannot listen on 0.0.0.0:4433: the address is in use"]
          )
          assert.deepStrictEqual(yield* TestConsole.logLines, [])
        }).pipe(Effect.provide(Layer.merge(layerOf({ host }), TestConsole.layer)))
      })
    )
  )
})
