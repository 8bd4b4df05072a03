/** The options of the UPnP mapper. */
import type * as Duration from "effect/Duration"

/**
 * How to find the gateway, and how to ask it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long the multicast search may take: more than 0, 3 s by default. */
  readonly searchTimeout?: Duration.Input | undefined
  /** How long each HTTP request may take, its answer included: more than 0, 1.5 s by default. */
  readonly requestTimeout?: Duration.Input | undefined
  /** The text that the router shows beside the mapping; `"qp2p"` by default. Any text is allowed: it is escaped. */
  readonly description?: string | undefined
  /**
   * What to do when the external port belongs to another host. `"nextPort"`, the default, tries up to eight further
   * ports, counting up and continuing with 1024 after 65535. `"fail"` tries no other port. Both fail with
   * `MappingConflict` when no port was free.
   */
  readonly onConflict?: "nextPort" | "fail" | undefined
}
