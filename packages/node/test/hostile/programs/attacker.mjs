// Runs one attack: `attacker.mjs NAME JSON`, and tells its parent what it did.
import { attacks } from "../attacks/index.mjs"

const [name, json] = process.argv.slice(2)
const { attackers, ...context } = JSON.parse(json)

/** The address of attacker number `i`. */
const hosts = (i) => `${attackers}.${10 + (i % 240)}`

process.once("disconnect", () => process.exit(0))
const { bounds = {}, run } = attacks[name]
process.send({ done: { facts: await run({ ...context, hosts }), bounds } })
// It leaves without a word to the node.
process.disconnect()
process.exit(0)
