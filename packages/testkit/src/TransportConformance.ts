/**
 * A suite of tests that every `Transport` must pass: the rules of `@qp2p/core/Transport`, each a test of its own.
 *
 * It needs `vitest` and `@effect/vitest`, which is why the index does not export it:
 *
 * ```ts
 * import * as QuicheTransport from "@qp2p/node/QuicheTransport"
 * import * as TransportConformance from "@qp2p/testkit/TransportConformance"
 *
 * TransportConformance.suite("QuicheTransport", QuicheTransport.layer())
 * ```
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Transport } from "@qp2p/core/Transport"
import { describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Surroundings } from "./internal/conformance/rule.ts"
import { groups } from "./internal/conformance/rules.ts"

/**
 * Where and how patiently the suite tries a transport.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Where sockets are bound: an address that they can be dialled at, with port 0. Default: `"127.0.0.1:0"`. */
  readonly address?: string | undefined
  /** How long one condition may take to come about, on a loaded machine too. Default: 20 seconds. */
  readonly limit?: Duration.Input | undefined
  /**
   * Whether the network loses packets. Then it is enough when most peers are told that a socket has gone; the others
   * find out by their idle timeout. And a connection may end with `TransportClosed` after `stallTimeout`, or by its idle
   * timeout, because a request to stop a stream was lost, as not every QUIC stack repeats it; the rule is tried again
   * then. Default: false.
   */
  readonly lossy?: boolean | undefined
  /**
   * Where a socket can be bound, with port 0, and an IP address at which it can be dialled then and does not answer from,
   * such as `{ bind: "0.0.0.0:0", dial: "127.0.0.2" }` on Linux. Without it, the rules about such peers are left out.
   */
  readonly multihomed?: { readonly bind: string; readonly dial: string } | undefined
}

/**
 * Declares the suite under `name`. Each test builds `layer` anew and runs on the live clock: it waits for what is to
 * happen, not for time to pass, except where a rule is about time (idle timeouts of a second or more).
 *
 * @stability unstable
 * @category tests
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<Transport, E>, options: Options = {}): void => {
  const limit = Duration.fromInputUnsafe(options.limit ?? "20 seconds")
  const { address = "127.0.0.1:0", lossy = false, multihomed } = options
  // Rules await several conditions; each has its own limit.
  const timeout = Math.max(30_000, 5 * Duration.toMillis(limit))
  describe(`${name} as a Transport`, () => {
    for (const { rules, title } of groups) {
      describe(`rules about ${title}`, () => {
        for (const { run, title } of rules.filter((rule) => multihomed !== undefined || rule.multihomed !== true)) {
          it.live(
            title,
            () =>
              run.pipe(
                Effect.scoped,
                Effect.provide(layer),
                Effect.provideService(Surroundings, { address, limit, lossy, multihomed })
              ),
            timeout
          )
        }
      })
    }
  })
}
