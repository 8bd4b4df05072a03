import { assert, describe, it } from "@effect/vitest"
import { Failed, Lost, Mapped, Remapped, Renewing } from "@qp2p/core/MappingStatus"
import { granted, PortMapper } from "@qp2p/core/PortMapper"
import { GatewayNotFound, NoneMapped, PortMapperTimedOut } from "@qp2p/core/PortMapperError"
import { BindError } from "@qp2p/core/EndpointError"
import * as TestPortMapper from "@qp2p/testkit/TestPortMapper"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestConsole } from "effect/testing"
import * as PortForwarding from "../src/PortForwarding.ts"
import { self } from "./support/fakeEndpoint.ts"
import { alice } from "./support/fakeStream.ts"

const none: PortForwarding.Input = {
  forwardPort: false,
  forwardPortOptional: false,
  lease: Option.none(),
  portMapper: Option.none()
}

const external = NetAddress.inetAddressFromStringUnsafe("203.0.113.7:4433")
const other = NetAddress.inetAddressFromStringUnsafe("203.0.113.7:4434")
const error = new PortMapperTimedOut({ gateway: "192.168.1.1:5000" })

describe("PortForwarding", () => {
  it("asks for a port when a flag says so, and insists on it unless it is optional", () => {
    assert.deepStrictEqual(PortForwarding.config(none), { forwardPort: false, forwardPortRequired: true })
    assert.deepStrictEqual(PortForwarding.config({ ...none, forwardPort: true }), {
      forwardPort: true,
      forwardPortRequired: true
    })
    assert.deepStrictEqual(
      PortForwarding.config({ ...none, forwardPortOptional: true, lease: Option.some(Duration.seconds(5)) }),
      { forwardPort: true, forwardPortRequired: false, upnpLeaseDuration: Duration.seconds(5) }
    )
  })

  it.effect("refuses flags that would do nothing", () =>
    Effect.gen(function* () {
      const refused = (input: Partial<PortForwarding.Input>) =>
        Effect.match(PortForwarding.validate({ ...none, ...input }), {
          onSuccess: () => "",
          onFailure: ({ message }) => message
        })
      const lease = Option.some(Duration.seconds(5))
      const portMapper = Option.some("upnp" as const)
      const needed = "needs --forward-port or --forward-port-optional"
      assert.strictEqual(yield* refused({ lease }), `--lease ${needed}`)
      assert.strictEqual(yield* refused({ portMapper }), `--port-mapper ${needed}`)
      assert.strictEqual(yield* refused({}), "")
      assert.strictEqual(yield* refused({ forwardPort: true, lease, portMapper }), "")
      assert.strictEqual(yield* refused({ forwardPortOptional: true, lease, portMapper }), "")
    })
  )

  it("says what to do when the router failed, and nothing of that otherwise", () => {
    const router = PortForwarding.explain(new GatewayNotFound())
    assert.strictEqual(
      router.message,
      "no port is forwarded: no gateway that maps ports was found " +
        "(see qp2p doctor, or start with --forward-port-optional)"
    )
    assert.strictEqual(router.exitCode, 1)
    const socket = new BindError({ address: self, detail: "the address is in use", cause: undefined })
    assert.strictEqual(PortForwarding.explain(socket).message, socket.message)
  })

  it("says what each of several said, or what all of them said", () => {
    const notFound = { by: "PCP and NAT-PMP", error: new GatewayNotFound() }
    assert.strictEqual(
      PortForwarding.reasonOf(new NoneMapped({ attempts: [notFound, { by: "UPnP", error }] })),
      "PCP and NAT-PMP: no gateway that maps ports was found; " +
        "UPnP: the gateway at 192.168.1.1:5000 did not answer in time"
    )
    assert.strictEqual(
      PortForwarding.reasonOf(new NoneMapped({ attempts: [notFound, { ...notFound, by: "UPnP" }] })),
      "no gateway that maps ports was found"
    )
    assert.strictEqual(
      PortForwarding.reasonOf(new NoneMapped({ attempts: [] })),
      "no port was mapped: there was no port mapper to ask"
    )
  })

  it.effect("tells of a port that is not mapped, on standard error and without its own way of failing", () =>
    Effect.gen(function* () {
      yield* (yield* TestPortMapper.TestPortMapper).failNext(error)
      const mapper = Layer.succeed(PortMapper, yield* PortMapper)
      const { map } = yield* Effect.provide(PortMapper, PortForwarding.layerTelling(mapper))
      const lease = Duration.minutes(1)
      assert.strictEqual(yield* Effect.flip(map({ internal: self, lease })), error)
      assert.deepStrictEqual(yield* TestConsole.errorLines, [
        "no port is forwarded: the gateway at 192.168.1.1:5000 did not answer in time"
      ])
      assert.strictEqual(`${(yield* map({ internal: self, lease })).external}`, "203.0.113.1:4433")
      assert.strictEqual((yield* TestConsole.errorLines).length, 1)
    }).pipe(Effect.scoped, Effect.provide([TestPortMapper.layer(), TestConsole.layer]))
  )

  it.effect("tells when the port is lost, back, or another, and not of renewals", () =>
    Effect.gen(function* () {
      const mapping = yield* granted(alice, external)
      const said: Array<string> = []
      yield* PortForwarding.tell(Option.some(mapping), (line) => Effect.sync(() => said.push(line)))
      const statuses = [
        Mapped({ external }),
        Renewing({ external }),
        Failed({ external, error }),
        Renewing({ external }),
        Mapped({ external }),
        Lost({ external, error }),
        Renewing({ external }),
        Lost({ external, error }),
        Failed({ external, error }),
        Mapped({ external }),
        Renewing({ external }),
        Mapped({ external }),
        Remapped({ external: other, before: external }),
        Mapped({ external: other }),
        Lost({ external: other, error }),
        Remapped({ external, before: other }),
        Mapped({ external })
      ]
      for (const status of statuses) {
        yield* SubscriptionRef.set(mapping.status, status)
        yield* Effect.yieldNow
      }
      yield* Effect.yieldNow.pipe(Effect.repeat({ times: 200 }))
      assert.deepStrictEqual(said, [
        "mapped 203.0.113.7:4433 -> 127.0.0.1:5001",
        "mapping 203.0.113.7:4433 is lost: the gateway at 192.168.1.1:5000 did not answer in time; asking for it again",
        "mapped 203.0.113.7:4433 -> 127.0.0.1:5001 again",
        "mapped 203.0.113.7:4434 -> 127.0.0.1:5001, no longer 203.0.113.7:4433",
        "mapping 203.0.113.7:4434 is lost: the gateway at 192.168.1.1:5000 did not answer in time; asking for it again",
        "mapped 203.0.113.7:4433 -> 127.0.0.1:5001, no longer 203.0.113.7:4434"
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("tells nothing without a mapping", () =>
    PortForwarding.tell(Option.none(), () => Effect.die("nothing to tell")).pipe(Effect.scoped)
  )
})
