/**
 * The options of the UPnP mapper, and the one that only tests set. They have a file of their own because users' compilers read
 * the public options, and know no types of nat-upnp.
 */
import type { Options } from "./options.ts"
import type { Discover } from "./search.ts"

/** The options of users and `discover`, which tests replace to search without multicast. */
export interface InternalOptions extends Options {
  readonly discover?: Discover | undefined
}
