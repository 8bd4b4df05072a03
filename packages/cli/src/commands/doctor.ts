/**
 * The command `qp2p doctor`: finds out whether peers can reach this machine, and what can be done if they cannot.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Identity } from "@qp2p/core/Identity"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import type { PortMapper } from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import type { Transport } from "@qp2p/core/Transport"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Gather from "../doctor/Gather.ts"
import * as Machine from "../doctor/Machine.ts"
import * as Print from "../doctor/Print.ts"
import { type Report, ReportJson } from "../doctor/Report.ts"
import { verdictOf } from "../doctor/Verdict.ts"
import { type CommandFailed, Ended, exitCodes, fromError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as nameResolver from "../internal/nameResolver.ts"
import * as OwnIdentity from "../OwnIdentity.ts"
import * as PeerFlags from "../PeerFlags.ts"
import * as PortForwarding from "../PortForwarding.ts"
import { printableJson } from "../Printable.ts"
import { version } from "../version.ts"

/**
 * The arguments of `run`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DoctorOptions {
  /** The address to examine. */
  readonly listen: NetAddress.InetAddress
  /** The peers that examine it. */
  readonly contacts: ReadonlyArray<PeerAddress>
  /** The key of this peer. */
  readonly identity: Identity
  /** Whether to print only the report, as one line of JSON. */
  readonly json: boolean
}

const toJson = Schema.encodeEffect(ReportJson)

/**
 * Examines this machine, its router and the contacts, and prints the result. Fails with `Ended`, which has the exit
 * code, unless peers can reach this machine.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (
  options: DoctorOptions
): Effect.fn.Return<void, CommandFailed | Ended, Machine.Machine | Transport | PortMapper> {
  if (!options.json) yield* Console.log("looking at this machine, its router and the contacts, for up to 20 s")
  const findings = yield* Effect.mapError(Gather.gather(options), fromError)
  const report: Report = { version, verdict: verdictOf(findings), ...findings }
  yield* options.json
    ? Effect.flatMap(Effect.orDie(toJson(report)), (line) => Console.log(printableJson(line)))
    : Effect.forEach(Print.lines(report), (line) => Console.log(line), { discard: true })
  const { exitCode } = report.verdict
  if (exitCode !== exitCodes.ok) return yield* new Ended({ exitCode })
})

/** The exit codes of this command. */
const exitCodesHelp =
  "Exit codes: 0 peers reach this machine, or the router maps a port at a public address; 1 they do not, and the verdict " +
  "says what to do; 2 wrong usage or settings; 3 it takes a contact to find out."

/**
 * The command `doctor`.
 *
 * @stability unstable
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make(
  "doctor",
  {
    contacts: PeerFlags.contacts.pipe(
      Flag.withDescription(
        "A peer to ask what it sees and whether it gets through, as ID@host:port or host:port; may be given several times " +
          "(default: none)"
      )
    ),
    identity: PeerFlags.identity,
    listen: Flags.listen.pipe(
      Flag.withDescription(
        "Look at this address and UDP port, as for node --listen (default 0.0.0.0:0, a port that is free)"
      ),
      Flag.optional
    ),
    portMapper: Flags.portMapper,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print one line of JSON instead, and nothing else on standard output"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (input) {
    const listen = Option.isSome(input.listen) ? input.listen.value : yield* PeerFlags.anyAddressFor(input.contacts)
    const identity = yield* Effect.mapError(OwnIdentity.fromFlag(input.identity), fromError)
    const mapper = PortForwarding.layerNamed(Option.getOrElse(input.portMapper, () => "any" as const))
    yield* run({ ...input, identity, listen }).pipe(Effect.provide([Machine.layer, QuicheTransport.layer(), mapper]))
  }, Effect.provide(nameResolver.layer))
).pipe(
  Command.withShortDescription("Find out whether peers can reach this machine, and what to do if not"),
  Command.withDescription(
    "Find out whether peers can reach this machine: its addresses, what its router speaks and which address it has, " +
      "whether it maps a port (on trial, removed again), and for each contact at which address it sees us and whether it " +
      "can dial us there, without and with a mapping. The contact dials a port that has sent it nothing: what gets through " +
      "there gets through for everybody. Takes at most 20 seconds. The last lines are a verdict and what to do.\n\n" +
      exitCodesHelp
  ),
  Command.withExamples([
    { command: "qp2p doctor --contact 192.0.2.1:4433", description: "Ask a peer outside" },
    {
      command: "qp2p doctor --listen 0.0.0.0:4433 --contact 192.0.2.1:4433",
      description: "Is a port forwarded by hand?"
    },
    { command: "qp2p doctor --json", description: "For scripts; the exit code says it, too" }
  ])
)
