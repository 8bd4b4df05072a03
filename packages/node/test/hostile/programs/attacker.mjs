// Runs one attack: `attacker.mjs NAME JSON [MODULE]`, and tells its parent what it did. The module has further attacks.
import { attacks as own } from "../attacks/index.mjs"

const [name, json, more] = process.argv.slice(2)
const attacks = more === undefined ? own : { ...own, ...(await import(more)).attacks }
const { attackers, ...context } = JSON.parse(json)

/** The address of attacker number `i`. */
const hosts = (i) => `${attackers}.${10 + (i % 240)}`

process.once("disconnect", () => process.exit(0))
const { bounds = {}, run } = attacks[name]
process.send({ done: { facts: await run({ ...context, hosts }), bounds } })
// It leaves without a word to the node.
process.disconnect()
process.exit(0)
