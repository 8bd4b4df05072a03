import { assert, describe, it } from "@effect/vitest"
import * as Bootstrap from "@qp2p/core/Bootstrap"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PeerPolicy from "@qp2p/core/PeerPolicy"
import * as PortMapper from "@qp2p/core/PortMapper"
import { MappingNotAuthorized, PortMapperTimedOut } from "@qp2p/core/PortMapperError"
import type { ControlMessage } from "@qp2p/core/WireMessage"
import type { NatKind } from "@qp2p/testkit/Gateway"
import { MemoryNetwork } from "@qp2p/testkit/MemoryNetwork"
import * as MemoryTransport from "@qp2p/testkit/MemoryTransport"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as TestPortMapper from "@qp2p/testkit/TestPortMapper"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { TestClock } from "effect/testing"
import * as Gather from "../../src/doctor/Gather.ts"
import type { Findings } from "../../src/doctor/Report.ts"
import { verdictOf } from "../../src/doctor/Verdict.ts"
import { address, contactId, identity, ip, peer } from "../support/findings.ts"
import {
  atHome,
  contact,
  contactAddress,
  endpointOn,
  gather,
  gateway,
  layerOf,
  onNetwork
} from "../support/homeNetwork.ts"

/** What the first contact says, in short. */
const told = ({ contacts }: Findings) => {
  const outcome = contacts[0]!.outcome
  if (outcome._tag === "Silent") return `Silent ${outcome.error}`
  const parts = [outcome.asIs, outcome.mapped].map((each) => ("at" in each ? `${each._tag} ${each.at}` : each._tag))
  return [`seen ${outcome.seen}`, ...parts].join(", ")
}

const kinds: ReadonlyArray<NatKind> = ["FullCone", "AddressRestricted", "PortRestricted", "Symmetric"]

describe("Gather", () => {
  it.effect.each(kinds)(
    "behind a %s gateway only the mapping lets strangers in, for every peer that answers us",
    (kind) =>
      onNetwork(
        Effect.gen(function* () {
          yield* contact
          const host = atHome(yield* gateway(kind))
          yield* Effect.gen(function* () {
            const findings = yield* gather({ host })
            const seen = kind === "Symmetric" ? "1.2.3.1:1024" : "1.2.3.1:49153"
            assert.strictEqual(told(findings), `seen ${seen}, NotReached 1.2.3.1:4433, Reached 1.2.3.1:49152`)
            assert.deepStrictEqual(findings.mapping, {
              _tag: "Mapped",
              internal: address("0.0.0.0:49152"),
              external: address("1.2.3.1:49152"),
              kind: "Public"
            })
            assert.strictEqual(verdictOf(findings).name, "ReachableThroughMapping")
            assert.deepStrictEqual(yield* (yield* TestPortMapper.TestPortMapper).mappings, [])
          }).pipe(Effect.provide(layerOf({ host })))
        })
      )
  )

  it.effect("in the open, the contact gets through without a mapping", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const host = { address: "9.9.9.9" }
        const findings = yield* Effect.provide(gather({ host }), layerOf({ host }))
        assert.strictEqual(told(findings), "seen 9.9.9.9:49153, Reached 9.9.9.9:4433, NotTried")
        assert.deepStrictEqual(findings.interfaces, [{ name: "eth0", address: ip("9.9.9.9"), kind: "Public" }])
        assert.strictEqual(findings.mapping._tag, "Failed")
        assert.strictEqual(verdictOf(findings).name, "Reachable")
      })
    )
  )

  it.effect("the program's policy is asked about the contact in both directions", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const host = { address: "9.9.9.9" }
        const asked = new Set<string>()
        const policy = ({ direction, peerId }: PeerPolicy.Peer) =>
          Effect.sync(() => asked.add(`${direction} ${peerId}`).size > 0)
        yield* gather({ host }).pipe(
          Effect.provideService(PeerPolicy.PeerPolicy, policy),
          Effect.provide(layerOf({ host }))
        )
        assert.deepStrictEqual([...asked], [`Outbound ${contactId}`, `Inbound ${contactId}`])
      })
    )
  )

  it.effect("over IPv6, too, where no port is mapped", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* endpointOn({ address: "2a00::8" }, "[2a00::8]:4433")
        const host = { address: "2a00::5" }
        const options = { host, listen: address("[::]:4433"), contacts: [peer("[2a00::8]:4433")] }
        const findings = yield* Effect.provide(gather(options), layerOf({ host }))
        assert.strictEqual(told(findings), "seen [2a00::5]:49152, Reached [2a00::5]:4433, NotTried")
        assert.strictEqual(findings.mapping._tag, "Skipped")
      })
    )
  )

  it.effect("on a loopback address peers on this machine get through, and the router is left alone", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const host = atHome(yield* gateway("PortRestricted"))
        const router = Effect.die("the router was asked")
        yield* Effect.gen(function* () {
          const findings = yield* gather({ host, listen: address("127.0.0.1:4433"), contacts: [] })
          assert.deepStrictEqual(findings.mapping, {
            _tag: "Skipped",
            detail: "for a loopback address no port is mapped"
          })
          const { calls } = yield* TestPortMapper.TestPortMapper
          assert.deepStrictEqual(yield* calls, [])
        }).pipe(Effect.provide(Layer.merge(layerOf({ host, router }), MemoryTransport.layer)))
      })
    )
  )

  it.effect("a port that was forwarded by hand is found at its number", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const host = atHome(yield* gateway("PortRestricted"))
        yield* Effect.gen(function* () {
          const { map } = yield* PortMapper.PortMapper
          yield* map({ internal: address("192.168.1.5:4433"), lease: Duration.hours(1) })
          const findings = yield* gather({ host })
          assert.strictEqual(told(findings), "seen 1.2.3.1:49153, Reached 1.2.3.1:4433, Reached 1.2.3.1:49152")
          assert.strictEqual(verdictOf(findings).name, "Reachable")
        }).pipe(Effect.provide(layerOf({ host })))
      })
    )
  )

  it.effect.each([
    ["NotReached", TestIdentity.make("neighbour")],
    ["Elsewhere", identity]
  ] as const)("a port that is forwarded to another machine is not taken for ours: %s", ([outcome, key]) =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const home = yield* gateway("PortRestricted")
        const neighbour = { address: "192.168.1.6", gateway: home }
        yield* endpointOn(neighbour, "0.0.0.0:4433", key)
        const { map } = yield* Effect.provide(PortMapper.PortMapper, TestPortMapper.layerHost(neighbour))
        yield* map({ internal: address("192.168.1.6:4433"), lease: Duration.hours(1) })
        const host = atHome(home)
        const findings = yield* Effect.provide(gather({ host }), layerOf({ host }))
        assert.strictEqual(told(findings), `seen 1.2.3.1:49153, ${outcome} 1.2.3.1:4433, Reached 1.2.3.1:49152`)
        assert.strictEqual(verdictOf(findings).name, "ReachableThroughMapping")
      })
    )
  )

  it.effect("behind two gateways the mapping on the inner one does not help", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const outer = yield* gateway("PortRestricted")
        const host = atHome(yield* gateway("PortRestricted", outer))
        const findings = yield* Effect.provide(gather({ host }), layerOf({ host }))
        assert.strictEqual(told(findings), "seen 1.2.3.1:49153, NotReached 1.2.3.1:4433, NotReached 10.0.0.9:49152")
        assert.strictEqual(verdictOf(findings).name, "DoubleNat")
      })
    )
  )

  it.effect("says why the router mapped no port, and what it speaks", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const host = atHome(yield* gateway("PortRestricted"))
        const answer = { external: ip("1.2.3.1") as NetAddress.Ipv4Address, reach: "Public" as const }
        const router = Effect.succeed({
          gateway: Option.some(ip("192.168.1.1") as NetAddress.Ipv4Address),
          protocols: [
            {
              protocol: "PCP" as const,
              by: Option.none(),
              version: Option.none(),
              outcome: Result.fail(new PortMapperTimedOut({ gateway: "192.168.1.1:5351" }))
            },
            {
              protocol: "UPnP" as const,
              by: Option.some("192.168.1.1:5000"),
              version: Option.some("WANIPConnection:1\u202e"),
              outcome: Result.succeed(answer)
            }
          ]
        })
        yield* Effect.gen(function* () {
          yield* (yield* TestPortMapper.TestPortMapper).failNext(
            new MappingNotAuthorized({ gateway: "192.168.1.1:5000" })
          )
          const findings = yield* gather({ host })
          assert.deepStrictEqual(findings.mapping, {
            _tag: "Failed",
            error: "MappingNotAuthorized",
            detail: "the gateway at 192.168.1.1:5000 does not allow this host to map ports"
          })
          assert.deepStrictEqual(findings.gateway, Option.some(ip("192.168.1.1")))
          assert.deepStrictEqual(findings.protocols, [
            {
              protocol: "PCP",
              by: Option.none(),
              version: Option.none(),
              outcome: {
                _tag: "Failed",
                error: "PortMapperTimedOut",
                detail: "the gateway at 192.168.1.1:5351 did not answer in time"
              }
            },
            {
              protocol: "UPnP",
              by: Option.some("192.168.1.1:5000"),
              version: Option.some("WANIPConnection:1\\u202e"),
              outcome: { _tag: "Spoken", external: ip("1.2.3.1"), kind: "Public" }
            }
          ])
          assert.strictEqual(told(findings), "seen 1.2.3.1:49153, NotReached 1.2.3.1:4433, NotTried")
          assert.strictEqual(verdictOf(findings).name, "MappingRefused")
        }).pipe(Effect.provide(layerOf({ host, router })))
      })
    )
  )

  it.effect("says which peer the contact is, and that another one answers in its place or that it refuses", () =>
    onNetwork(
      Effect.gen(function* () {
        const host = { address: "9.9.9.9" }
        const asked = (text: string) => Effect.provide(gather({ host, contacts: [peer(text)] }), layerOf({ host }))
        yield* contact
        const named = yield* asked(`${contactId}@${contactAddress}`)
        assert.strictEqual(
          named.contacts[0]!.outcome._tag === "Answered" && named.contacts[0]!.outcome.peerId,
          contactId
        )
        const other = yield* asked(`${identity.peerId}@${contactAddress}`)
        assert.strictEqual(told(other), "Silent PeerMismatch")
        assert.deepStrictEqual([verdictOf(other).name, verdictOf(other).exitCode], ["Unknown", 3])
        const closed = () => Effect.succeed(false)
        yield* Effect.provideService(endpointOn({ address: "5.6.7.9" }, "5.6.7.9:1"), PeerPolicy.PeerPolicy, closed)
        const refused = yield* asked("5.6.7.9:1")
        assert.strictEqual(told(refused), "Silent PeerRefused")
        assert.match(verdictOf(refused).summary, /^the contact answers, and does not help: /u)
      })
    )
  )

  it.effect("ends in time when neither router nor contact answers, and asks each contact at once", () =>
    onNetwork(
      Effect.gen(function* () {
        const host = atHome(yield* gateway("PortRestricted"))
        const contacts = ["5.6.7.1:1", "5.6.7.2:1", "5.6.7.3:1", "5.6.7.4:1", "5.6.7.5:1", "[2a00::1]:1"].map(peer)
        yield* Effect.gen(function* () {
          yield* (yield* TestPortMapper.TestPortMapper).setDelay("1 hour")
          const findings = yield* gather({ host, contacts })
          const errors = findings.contacts.map(({ outcome }) => outcome._tag === "Silent" && outcome.error)
          assert.deepStrictEqual(errors, [...Array.from({ length: 5 }, () => "ConnectionTimedOut"), "InvalidAddress"])
          assert.strictEqual(findings.mapping._tag === "Failed" && findings.mapping.error, "TimedOut")
          assert.deepStrictEqual([findings.gateway, findings.protocols], [Option.none(), []])
          assert.strictEqual(verdictOf(findings).name, "UdpBlocked")
        }).pipe(Effect.provide(layerOf({ host, router: Effect.never })))
      })
    )
  )

  it.effect("ends in time when the router is slow and the contact falls silent in the middle", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* contact
        const host = atHome(yield* gateway("PortRestricted"))
        yield* Effect.gen(function* () {
          yield* (yield* TestPortMapper.TestPortMapper).setDelay(
            Duration.subtract(Gather.limits.map, Duration.millis(1))
          )
          const network = yield* MemoryNetwork
          // It has told where it sees us, and knows that it does not get through without a mapping.
          yield* Effect.forkChild(Effect.delay(network.blackhole("5.6.7.8"), "6 seconds"))
          const findings = yield* gather({ host })
          assert.strictEqual(told(findings), "seen 1.2.3.1:49153, NotReached 1.2.3.1:4433, NoAnswer 1.2.3.1:49152")
          assert.strictEqual(verdictOf(findings).name, "Unknown")
        }).pipe(Effect.provide(layerOf({ host })))
      })
    )
  )

  it.effect.each([
    ["Silent SerializationError", { EndpointEchoReq: { _tag: "EndpointVerificationResp", reachable: true } }],
    ["Silent TimedOut", {}],
    [
      "seen 7.7.7.7:7, NoAnswer 7.7.7.7:4433, NotTried",
      {
        EndpointEchoReq: { _tag: "EndpointEchoResp", address: address("7.7.7.7:7") },
        EndpointVerificationReq: { _tag: "EndpointEchoResp", address: address("7.7.7.7:7") }
      }
    ]
  ] as ReadonlyArray<[string, Partial<Record<ControlMessage["_tag"], ControlMessage>>]>)(
    "is not led astray by a contact that answers nonsense: %s",
    ([expected, answers]) =>
      onNetwork(
        Effect.gen(function* () {
          const bootstrap = yield* Bootstrap.make
          const nonsense = Endpoint.layerWithoutDependencies({ localAddress: contactAddress }).pipe(
            Layer.provide([
              ConnectionPool.layer,
              PortMapper.layerNone,
              MemoryTransport.layerHost({ address: "5.6.7.8" }),
              Layer.succeed(Bootstrap.Bootstrap, {
                ...bootstrap,
                respond: (_, question) =>
                  answers[question._tag] === undefined ? Effect.never : Effect.succeedSome(answers[question._tag]!)
              })
            ])
          )
          yield* Layer.build(nonsense)
          const host = { address: "9.9.9.9" }
          const findings = yield* Effect.provide(gather({ host }), layerOf({ host }))
          assert.strictEqual(told(findings), expected)
        })
      )
  )

  it("leaves 3 seconds to unmap in", () => {
    const { dialBack, echo, map, reach } = Gather.limits
    const total = (steps: ReadonlyArray<Duration.Duration>) => steps.map(Duration.toSeconds).reduce((a, b) => a + b)
    assert.isAtMost(total([map, dialBack]), 17)
    assert.isAtMost(total([reach, echo, dialBack]), 17)
  })

  it.effect("fails when it cannot listen where it is told to", () =>
    onNetwork(
      Effect.gen(function* () {
        const host = { address: "9.9.9.9" }
        yield* endpointOn(host, "0.0.0.0:4433")
        const error = yield* Effect.flip(Effect.provide(gather({ host }), layerOf({ host })))
        assert.strictEqual(error._tag, "BindError")
      })
    )
  )

  it.effect("can be interrupted at once, and takes its mapping with it", () =>
    onNetwork(
      Effect.gen(function* () {
        const host = atHome(yield* gateway("PortRestricted"))
        yield* Effect.gen(function* () {
          const { mappings } = yield* TestPortMapper.TestPortMapper
          const contacts = [peer(contactAddress)]
          const running = yield* Effect.forkChild(
            Gather.gather({ listen: address("0.0.0.0:4433"), contacts, identity })
          )
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* mappings).length, 1)
          const exit = yield* Effect.andThen(Fiber.interrupt(running), Fiber.await(running))
          assert.isTrue(Exit.hasInterrupts(exit))
          assert.deepStrictEqual(yield* mappings, [])
        }).pipe(Effect.provide(layerOf({ host })))
      })
    )
  )
})
