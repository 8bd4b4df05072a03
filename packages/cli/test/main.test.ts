import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestConsole } from "effect/testing"
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
  }).pipe(Effect.provide(Layer.merge(NodeServices.layer, TestConsole.layer)))

const commands = ["node", "send", "receive", "ping", "doctor"]

describe("qp2p", () => {
  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, RegExp]> = [
    [
      ["node", "--listen", "nonsense"],
      /^qp2p node: .*"nonsense".*Expected host:port .*; nonsense is no IP address \(see qp2p node --help\)$/u
    ],
    [["node", "--contact", "127.0.0.1:0"], /^qp2p node: .*"127\.0\.0\.1:0".*Port 0 cannot be dialled/u],
    [["node", "--idle-timeout", "5"], /Expected a time span/u],
    [["node", "--external-port", "70000"], /Expected a port, 1 to 65535/u],
    [["node", "--external-ip", "home"], /Expected the IP address of one host/u],
    [["node", "--external-ip", "0.0.0.0"], /Expected the IP address of one host/u],
    [["node", "--external-ip", "224.0.0.1"], /Expected the IP address of one host/u],
    [["node", "--listen", "[fe80::1]:4433"], /A link-local address needs the zone of its interface/u],
    [["node", "--listen", "224.0.0.1:4433"], /A multicast address is a group's/u],
    [["ping", "udp://127.0.0.1:4433"], /leave udp:\/\/ away/u],
    [["ping", "::1:4433"], /an IPv6 address has brackets, and the port comes after them/u],
    [["ping", "255.255.255.255:4433"], /The broadcast address is everybody's/u],
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
    [["ping", "127.0.0.1:1", "--count", "0"], /Expected 1 to 10000/u],
    [["ping", "127.0.0.1:1", "--nonsense"], /Unrecognized flag: --nonsense/u],
    [["dance"], /Unknown subcommand "dance"/u]
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

  it.effect("knows its version", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("--version")).out, `qp2p ${version}`)
    })
  )
})
