/**
 * The key of this peer, as `--identity` gives it.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Identity from "@qp2p/core/Identity"
import * as NodeIdentity from "@qp2p/node/NodeIdentity"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * Reads the key in the file, which it makes when there is none; without a file, it makes a key that is not kept.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromFlag = (file: Option.Option<string>): Effect.Effect<Identity.Identity, Identity.IdentityError> =>
  Option.match(file, { onNone: () => Identity.generate, onSome: NodeIdentity.fromFile })
