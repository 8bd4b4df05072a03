import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import * as FakeGateway from "./support/fakeUpnpGateway.ts"
import { argumentsOf, mapAt, names, portsAsked } from "./support/natUpnpMapper.ts"
import { recordStatus } from "./support/leases.ts"

const ok = FakeGateway.response("AddPortMapping")
const conflict = FakeGateway.fault(718, "ConflictInMappingEntry")

/** What a gateway says of the port that was asked for. */
const entry = (client: string, port: string) =>
  FakeGateway.response(
    "GetSpecificPortMappingEntry",
    `<NewInternalPort>${port}</NewInternalPort><NewInternalClient>${client}</NewInternalClient><NewEnabled>1</NewEnabled>`
  )

const ours = entry("192.168.1.20", "4433")

describe("a gateway that refuses to map again what it has mapped", () => {
  it.effect("has the mapping removed, if it is this host's, and then gives it again", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", conflict, ok)
      gateway.answer("GetSpecificPortMappingEntry", ours)
      const mapping = yield* mapAt(gateway.location, { mapper: { onConflict: "fail" } })
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:4433")
      assert.deepStrictEqual(names(gateway).slice(2), [
        "AddPortMapping",
        "GetSpecificPortMappingEntry",
        "DeletePortMapping",
        "AddPortMapping"
      ])
      assert.deepStrictEqual(argumentsOf(gateway.requests[3]!), [
        ["NewRemoteHost", ""],
        ["NewExternalPort", "4433"],
        ["NewProtocol", "UDP"]
      ])
    })
  )

  it.effect("keeps giving the same port, renewal after renewal", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", ok, conflict, ok, conflict, ok)
      gateway.answer("GetSpecificPortMappingEntry", ours)
      const { reached, seen } = yield* recordStatus(yield* mapAt(gateway.location))
      yield* TestClock.adjust("60 seconds")
      yield* reached(3)
      yield* TestClock.adjust("60 seconds")
      yield* reached(5)
      const [renewing, mapped] = ["Renewing 9.8.7.6:4433", "Mapped 9.8.7.6:4433"]
      assert.deepStrictEqual(seen, [mapped, renewing, mapped, renewing, mapped])
    })
  )

  it.effect.each([
    { what: "is another host's", answer: entry("192.168.1.21", "4433") },
    { what: "is for another port", answer: entry("192.168.1.20", "4434") },
    { what: "cannot be read", answer: entry("here", "") },
    { what: "is not told of", answer: FakeGateway.fault(401, "Invalid Action") },
    { what: "has gone meanwhile", answer: FakeGateway.fault(714, "NoSuchEntryInArray") }
  ])("keeps a mapping that $what, and the next port is tried", ({ answer }) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", conflict, ok)
      gateway.answer("GetSpecificPortMappingEntry", answer)
      const mapping = yield* mapAt(gateway.location)
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:4434")
      assert.deepStrictEqual(portsAsked(gateway), ["4433", "4434"])
      assert.notInclude(names(gateway), "DeletePortMapping")
    })
  )

  it.effect("and refuses all the same is asked for the next port", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", conflict, conflict, ok)
      gateway.answer("GetSpecificPortMappingEntry", ours)
      gateway.answer("DeletePortMapping", FakeGateway.fault(606, "Action not authorized"))
      const mapping = yield* mapAt(gateway.location)
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:4434")
      assert.deepStrictEqual(portsAsked(gateway), ["4433", "4433", "4434"])
    })
  )
})
