/** Processes of `qp2p`, and what the router's neighbours on the wan can do with the ones in the home. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { spawn, type Spawned } from "../src/internal/Spawned.ts"
import { type Home, outer, world } from "./Home.ts"

// The command as it is installed: these tests need a build.
const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url))

/** An endpoint with settings that the command has no flags for. */
const mapped = fileURLToPath(new URL("mapped.mjs", import.meta.url))

export const qp2p = (...args: ReadonlyArray<string>) => spawn({ bin, args })

export const startMapped = (settings: Record<string, string>) =>
  spawn({ bin: mapped, args: [JSON.stringify(settings)] })

/** The port of every node in the home, and the external port that it asks for. */
export const port = 4433
export const publicAddress = `${outer}:${port}`

/** What the router maps when the first computer of the home has what it asked for, and nobody else has anything. */
export const mappedByFirst = [`${port} -> 192.168.77.2:${port}`]

/** A node in the home that has the router forward its port. */
export const startNode = (...args: ReadonlyArray<string>) =>
  qp2p("node", "--listen", `0.0.0.0:${port}`, "--forward-port", ...args)

/** A peer on the wan that nodes in the home can ask how they are seen. */
export const startContact = Effect.fnUntraced(function* (home: Home) {
  const contact = yield* home.wan.inside(qp2p("node", "--listen", `${world}:0`))
  return (yield* contact.waitFor(/^local (\S+)$/u))[1] ?? ""
})

const escaped = (text: string) => text.replaceAll(".", "\\.")

/** Matches the line of a node that its contact has dialled back. */
export const verified = (address: string, contact: string) =>
  new RegExp(`^public ${escaped(address)} \\(.*verified by ${escaped(contact)}\\)$`, "u")

/** The beginning of a node's id, which precedes its messages. */
const idOf = (node: Spawned) => Effect.map(node.waitFor(/^peer ([a-z2-7]{10})\S+$/u), (match) => match[1] ?? "")

/**
 * A peer on the wan joins through `node`, calls it, and is answered. Nobody in the home has ever spoken to the peer's
 * port, so the router lets its packets in because of the mapping and for no other reason.
 */
export const visit = Effect.fnUntraced(function* (home: Home, node: Spawned, address = publicAddress) {
  const peer = yield* home.wan.inside(qp2p("node", "--listen", `${world}:0`, "--contact", address))
  const own = (yield* peer.waitFor(/^local (\S+)$/u))[1] ?? ""
  yield* peer.waitFor(verified(own, address))
  yield* peer.type("marco")
  yield* node.waitFor(new RegExp(`^${yield* idOf(peer)}: marco$`, "u"))
  yield* peer.waitFor(new RegExp(`^${yield* idOf(node)}: polo$`, "u"))
  assert.strictEqual(yield* peer.stop(), 0)
}, Effect.scoped)

/** Nobody on the wan gets an answer. */
export const nobodyAnswers = Effect.fnUntraced(function* (home: Home, address = publicAddress) {
  const ping = yield* home.wan.inside(qp2p("ping", address, "--count", "1", "--timeout", "500ms"))
  assert.strictEqual(yield* ping.exitCode, 1)
}, Effect.scoped)
