import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestConsole } from "effect/testing"
import { tmpdir } from "node:os"
import { main } from "../src/main.ts"
import { version } from "../src/version.ts"

const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const code = yield* main(args).pipe(
      Effect.as(0),
      Effect.catchTag("Exited", (exited) => Effect.succeed(exited.code))
    )
    const out = (yield* TestConsole.logLines).map(String)
    const errors = (yield* TestConsole.errorLines).map(String)
    return { code, out: out.join("\n"), errors }
  }).pipe(
    Effect.provide(Layer.merge(NodeServices.layer, TestConsole.layer)),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, nobody)
  )

/** Neither input nor output is a terminal. */
const nobody = { canColor: false, canAnimate: false, canPrompt: false }

const commands = ["node", "send", "receive", "ping", "doctor", "id"]

const ann = TestIdentity.make("ann").peerId
const bob = TestIdentity.make("bob").peerId

describe("qp2p", () => {
  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, RegExp]> = [
    [
      ["node", "--listen", "nonsense"],
      /^qp2p node: .*"nonsense".*Expected host:port .*; nonsense is no IP address \(see qp2p node --help\)$/u
    ],
    [
      ["node", "--contact", "127.0.0.1:0"],
      /^qp2p node: .*"127\.0\.0\.1:0".*Expected host:port .*; port 0 cannot be dialled/u
    ],
    [["node", "--idle-timeout", "5"], /Expected a time span/u],
    [["node", "--external-port", "70000"], /Expected a port, 1 to 65535/u],
    [["node", "--external-ip", "home"], /Expected the IP address of one host/u],
    [["node", "--external-ip", "0.0.0.0"], /Expected the IP address of one host/u],
    [["node", "--external-ip", "224.0.0.1"], /Expected the IP address of one host/u],
    [
      ["node", "--listen", "[fe80::1]:4433"],
      /Expected another address: a link-local address needs the zone of its interface/u
    ],
    [["node", "--listen", "224.0.0.1:4433"], /Expected another address: a multicast address is a group's/u],
    [["ping", "udp://127.0.0.1:4433"], /leave udp:\/\/ away/u],
    [["ping", "::1:4433"], /an IPv6 address has brackets, and the port comes after them/u],
    [["ping", "255.255.255.255:4433"], /Expected another address: the broadcast address is everybody's/u],
    [["send", "127.0.0.1", "hello"], /^qp2p send: .*Expected host:port .*; the port is missing/u],
    [["send", "127.0.0.1:1"], /give a text, or a file with --file/u],
    [["send", "127.0.0.1:1", "hello", "--file", "package.json"], /not both/u],
    [["send", "127.0.0.1:1", ""], /empty message/u],
    [["send", "127.0.0.1:1", "--file", "no-such-file"], /no-such-file/u],
    [["send"], /Missing required argument: peer/u],
    [["receive", "--listen", "127.0.0.1:0"], /Missing required flag: --out/u],
    [["node", "--lease", "5s"], /--lease needs --forward-port/u],
    [["node", "--forward-port", "--lease", "0s"], /Expected a time span/u],
    [["node", "--forward-port", "--port-mapper", "magic"], /"magic".*"any" \| "upnp" \| "nat-pmp"/u],
    [["receive", "--listen", "127.0.0.1:0", "--out", ".", "--port-mapper", "upnp"], /--port-mapper needs/u],
    [["doctor", "--contact", "127.0.0.1"], /^qp2p doctor: .*; the port is missing/u],
    [["doctor", "--listen", "home"], /; home is no IP address/u],
    [["ping", "127.0.0.1:1", "--count", "0"], /Expected a whole number, 1 to 10000/u],
    [["ping", "127.0.0.1:1", "--nonsense"], /Unrecognized flag: --nonsense/u],
    [["dance"], /Unknown subcommand "dance"/u],
    [
      ["send", `${ann.toUpperCase()}@127.0.0.1:1`, "hello"],
      /Expected host:port .*; a peer's id is in lower case \(see/u
    ],
    [["send", `${ann.slice(1)}@127.0.0.1:1`, "hello"], /; a peer's id has 52 characters, not 51/u],
    [["send", ann.slice(1), "hello"], /; a peer's id has 52 characters, not 51/u],
    [["ping", `${ann.slice(0, -1)}b@127.0.0.1:1`], /; the last character of a peer's id is "a" or "q", not "b"/u],
    [["ping", `${ann.slice(0, -1)}1@127.0.0.1:1`], /; a peer's id has letters and the digits 2 to 7 only, not "1"/u],
    [["ping", `${ann}@`], /; the address after @ is missing/u],
    [["ping", "@127.0.0.1:1"], /; the id before @ is missing/u],
    [["ping", `${ann}:4433`], /; an id is no host: @ and addresses follow it/u],
    [["ping", `${ann}@127.0.0.1`], /; the port is missing/u],
    [["ping", `${ann}@127.0.0.1:1,0.0.0.0:2`], /Expected another address: the unspecified address belongs to no host/u],
    [["ping", "127.0.0.1:1,127.0.0.1:2"], /; only a peer with an id has several addresses/u],
    [["ping", `${ann}@127.0.0.1:1 ${bob}@127.0.0.1:2`], /; there is white space in it/u],
    [["node", "--contact", `${ann}@-:1`], /^qp2p node: .*; - is no host name/u],
    [["node", "--allow", "ann"], /--allow: "ann"\. Expected the id of a peer; a peer's id has 52 characters, not 3/u],
    [["node", "--allow", ann.toUpperCase()], /Expected the id of a peer; a peer's id is in lower case/u],
    [["node", "--allow", `${ann}@127.0.0.1:1`], /; give the id alone, without @127\.0\.0\.1:1 \(see/u],
    [["node", "--allow", "ann@127.0.0.1:1"], /; an id has no @/u],
    [["node", "--allow", `${ann},${bob}`], /; give the flag once for each id/u],
    [
      ["node", "--allow", ann, "--contact", `${bob}@127.0.0.1:1`],
      /^qp2p node: --allow would refuse the contact \S+@\S+:1: /u
    ],
    [
      ["receive", "--listen", "127.0.0.1:0", "--out", ".", "--allow", ann, "--contact", `${bob}@127.0.0.1:1`],
      /^qp2p receive: --allow would refuse the contact/u
    ],
    [["node", "--identity"], /Missing value for flag --identity/u],
    [["send", "127.0.0.1:1", "hello", "--identity="], /--identity\. Expected the path of a file/u],
    [["id", "node.key"], /Unexpected positional argument: "node\.key"/u],
    // The parser takes the letters of these for flags, -h among them.
    [
      ["send", "127.0.0.1:1", "-hello"],
      /^qp2p send: -hello is no flag; a text that begins with a dash is given after --/u
    ],
    [["send", "127.0.0.1:1", "-5h"], /-5h is no flag; a text that begins/u],
    [["send", "127.0.0.1:1", "-5"], /-5 is no flag; a text that begins/u],
    [["send", "127.0.0.1:1", "--=h"], /--=h is no flag; a text that begins/u],
    [["send", "127.0.0.1:1", "--hello"], /Unrecognized flag: --hello/u],
    [["send", "-vacation", "127.0.0.1:1"], /-vacation is no flag/u],
    [["send", "127.0.0.1:1", "--file", "-holiday.jpg"], /--file needs a value; .* written as --file=-holiday\.jpg/u],
    [["send", "127.0.0.1:1", "--file", "--help"], /--file needs a value; .* written as --file=--help/u],
    [["send", "127.0.0.1:1", "--file", "--", "-h"], /--file needs a value \(see/u],
    [["send", "127.0.0.1:1", "hello", "--timeout", "-5h"], /--timeout needs a value; .* written as --timeout=-5h/u],
    [["send", "127.0.0.1:1", "hello", "--timeout=-5h"], /"-5h".*Expected a time span/u],
    [["send", "127.0.0.1:1", "hello", "--timeout", "-5"], /"-5".*Expected a time span/u],
    [["node", "--forward-port", "--lease", "-5h"], /--lease needs a value/u],
    [["node", "-h", "--keep-alive", "-h"], /^qp2p node: --keep-alive needs a value/u],
    [["node", "-hl"], /^qp2p node: -hl is no flag \(see/u],
    [["ping", "127.0.0.1:1", "-help"], /^qp2p ping: -help is no flag \(see/u],
    [["ping", "127.0.0.1:1", "-c4"], /-c4 is no flag/u],
    [["doctor", "-version"], /^qp2p doctor: -version is no flag/u],
    [["-hv"], /^qp2p: -hv is no flag \(see qp2p --help\)$/u],
    [["--log-level", "-h"], /--log-level needs a value/u],
    [["--completions", "-h"], /--completions needs a value/u],
    [["--log-level", "loud", "node"], /Invalid value for flag --log-level: "loud"/u],
    [["--completions"], /Missing value for flag --completions/u],
    [["--wizard"], /^qp2p: --wizard asks questions, and standard input and output are no terminal/u],
    [["send", "--wizard=true"], /^qp2p send: --wizard asks questions/u],
    [["send", "127.0.0.1:1", "one", "two"], /Unexpected positional argument: "two"/u],
    [["send", "127.0.0.1:1", "--", "-a", "-b"], /Unexpected positional argument: "-b"/u],
    [["send", "127.0.0.1:1", "--file="], /--file needs a path/u],
    [["send", "127.0.0.1:1", "--file", "no-such-file"], /^qp2p send: cannot read no-such-file: there is no such file/u],
    [["send", "127.0.0.1:1", "--file", tmpdir()], /^qp2p send: cannot send \S+: it is a directory \(see/u],
    [
      ["send", "127.0.0.1:1", "--file", "package.json/x"],
      /cannot read package\.json\/x: a part of the path is no dir/u
    ],
    [["send", "127.0.0.1:1", "--file", "x".repeat(300)], /: the name is too long \(see/u],
    [["send", "127.0.0.1:1", "--file", "a\nb\u001b[2J"], /cannot read a b\\u001b\[2J: there is no such file/u],
    [["send", "127.0.0.1:1", "hello", "--priority", "0x10"], /Expected a whole number/u],
    [["send", "127.0.0.1:1", "hello", "--priority", "1.5"], /Expected a whole number/u],
    [["ping", "127.0.0.1:1", "--count", "-1"], /"-1".*Expected a whole number, 1 to 10000/u],
    [["ping", "127.0.0.1:1", "--count", "1e9"], /"1e9".*Expected a whole number, 1 to 10000/u],
    [["ping", "127.0.0.1:1", "--count="], /--count\. Expected a whole number/u],
    [["ping", "127.0.0.1:1", "--count", "1", "--count", "2"], /--count/u],
    [["ping", "127.0.0.1:1", "--interval", "0s"], /Expected a time span/u],
    [["node", "--external-port", "-1"], /Expected a port, 1 to 65535/u],
    [["node", "--external-port", "1e3"], /Expected a port, 1 to 65535/u],
    [["node", "--contact="], /Missing value for flag --contact. Expected host:port/u],
    [["node", "--out", "-"], /^qp2p node: --out - is for qp2p receive/u],
    [["node", "--max-size", "1MB"], /^qp2p node: --max-size needs --out/u],
    [["node", "--out", "inbox", "--keep-free", "100"], /"100".*Expected a size such as 100MB, 1\.5GB or 512KiB/u],
    [["receive", "--listen", "127.0.0.1:0", "--out", "-", "--max-files", "1"], /--max-files needs a directory/u],
    [["receive", "--listen", "127.0.0.1:0", "--out", ".", "--max-files", "0"], /Expected a whole number, 1 to/u],
    [["receive", "--listen", "127.0.0.1:0", "--out", ""], /Expected a directory/u],
    [["receive", "--listen", "127.0.0.1:0", "--out", ".", "--once=maybe"], /Invalid value for flag --once: "maybe"/u],
    [["receive", "--listen", "127.0.0.1:0", "--out", ".", "extra"], /Unexpected positional argument: "extra"/u]
  ]
  it.effect.each(wrong)("%j is wrong usage: one line, exit code 2", ([args, reason]) =>
    Effect.gen(function* () {
      const { code, errors, out } = yield* run(...args)
      assert.strictEqual(code, 2)
      assert.strictEqual(errors.length, 1)
      assert.match(errors[0] ?? "", reason)
      assert.notInclude(errors[0], "\n")
      assert.strictEqual(out, "")
    })
  )

  it.effect("shows what there is when no command is given", () =>
    Effect.gen(function* () {
      const { code, out } = yield* run()
      assert.strictEqual(code, 2)
      for (const command of commands) assert.include(out, command)
    })
  )

  it.effect.each(commands)("explains %s", (command) =>
    Effect.gen(function* () {
      const { code, errors, out } = yield* run(command, "--help")
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(errors, [])
      assert.include(out, "Exit codes: 0")
      assert.include(out, `qp2p ${command} `)
    })
  )

  const helps: ReadonlyArray<readonly [ReadonlyArray<string>]> = [
    [["-h"]],
    [["node", "-h"]],
    [["send", "127.0.0.1:1", "-h"]],
    [["send", "127.0.0.1:1", "--priority", "-3", "-h"]]
  ]
  it.effect.each(helps)("shows the help that %j asks for", ([args]) =>
    Effect.gen(function* () {
      const { code, errors, out } = yield* run(...args)
      assert.deepStrictEqual([code, errors], [0, []])
      assert.include(out, "USAGE")
    })
  )

  it.effect.each(commands)("tells the default of every flag of %s that has a value and can be left out", (command) =>
    Effect.gen(function* () {
      const { out } = yield* run(command, "--help")
      const flags =
        out.slice(out.indexOf("\nFLAGS"), out.indexOf("\nGLOBAL FLAGS")).match(/^ {2}--\S+ [A-Z]+ .*$/gmu) ?? []
      const required = command === "receive" ? /^ {2}--(?:listen|out) / : /^(?!)/u
      assert.isAbove(flags.length, command === "id" ? 0 : 1)
      assert.deepStrictEqual(
        flags.filter((flag) => !required.test(flag) && !/\(default:? \S/u.test(flag)),
        []
      )
    })
  )

  it.effect("knows its version", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("--version")).out, `qp2p ${version}`)
    })
  )
})
