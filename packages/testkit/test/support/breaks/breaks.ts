/**
 * All broken transports, by the rule that must notice each.
 */
import type { Breaks } from "./break.ts"
import { closes } from "./closes.ts"
import { datagrams } from "./datagrams.ts"
import { dialling } from "./dialling.ts"
import { identity } from "./identity.ts"
import { streams } from "./streams.ts"

/** What breaks each rule, by its title. */
export const breaks: Breaks = { ...dialling, ...identity, ...streams, ...datagrams, ...closes }
