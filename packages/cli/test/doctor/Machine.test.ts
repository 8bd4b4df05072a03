import * as Endpoint from "@qp2p/core/Endpoint"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import { assert, describe, it } from "@effect/vitest"
import * as TestPortMapper from "@qp2p/testkit/TestPortMapper"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Gather from "../../src/doctor/Gather.ts"
import * as Machine from "../../src/doctor/Machine.ts"
import { verdictOf } from "../../src/doctor/Verdict.ts"
import { address, identity, ip } from "../support/findings.ts"
import { machineLayer } from "../support/homeNetwork.ts"

const nobody = Effect.succeed({ gateway: Option.none(), protocols: [] })

describe("the doctor, over QUIC", () => {
  it.live("has a contact dial the mapped port, where the gateway is this machine", () =>
    Effect.gen(function* () {
      const contact = yield* Endpoint.make({ localAddress: "127.0.0.1:0" })
      const findings = yield* Gather.gather({
        listen: address("0.0.0.0:0"),
        contacts: [contact.peerAddress],
        identity
      })
      const outcome = findings.contacts[0]!.outcome
      if (outcome._tag === "Silent" || findings.mapping._tag !== "Mapped") return assert.fail(JSON.stringify(findings))
      assert.strictEqual(`${outcome.seen.address}`, "127.0.0.1")
      assert.deepStrictEqual(
        [outcome.asIs, outcome.mapped],
        [
          { _tag: "Reached", at: address(`127.0.0.1:${findings.listen.port}`) },
          { _tag: "Reached", at: findings.mapping.external }
        ]
      )
      assert.notStrictEqual(findings.mapping.external.port, findings.listen.port)
      assert.strictEqual(verdictOf(findings).name, "ReachableInThisNetwork")
      const { calls, mappings } = yield* TestPortMapper.TestPortMapper
      assert.deepStrictEqual(
        (yield* calls).map(({ action, result }) => `${action} ${Result.isSuccess(result)}`),
        ["map true", "unmap true"]
      )
      assert.deepStrictEqual(yield* mappings, [])
    }).pipe(
      Effect.scoped,
      Effect.provide([
        QuicheTransport.layer(),
        TestPortMapper.layer({ external: "127.0.0.1" }),
        machineLayer("127.0.0.1", nobody)
      ])
    )
  )
})

describe("Machine", () => {
  it.live("knows its addresses, and by which of them it would reach the Internet", () =>
    Effect.gen(function* () {
      const machine = yield* Machine.Machine
      const interfaces = yield* machine.interfaces
      const own = interfaces.map((each) => `${each.address}`)
      assert.include(own, `${ip("127.0.0.1")}`)
      for (const family of ["IPv4", "IPv6"] as const) {
        const outbound = Option.getOrUndefined(yield* machine.outbound(family))
        if (outbound !== undefined) assert.include(own, `${outbound}`)
      }
    }).pipe(Effect.provide(Machine.layer))
  )
})
