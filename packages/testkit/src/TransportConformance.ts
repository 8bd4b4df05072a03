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
import { Environment } from "./internal/conformance/rule.ts"
import { groups } from "./internal/conformance/rules.ts"

/**
 * Where a suite binds sockets, and how long it waits.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The address that sockets bind: one that can be dialled, with port 0. `"127.0.0.1:0"` by default. */
  readonly address?: string | undefined
  /** How long one condition may take, even on a loaded machine: 20 seconds by default. */
  readonly limit?: Duration.Input | undefined
  /**
   * Whether the network loses packets; false by default.
   *
   * When it does, it is enough that most peers are told that a socket has closed; the others find out by their idle
   * timeout. And a connection may end with `TransportClosed` after `stallTimeout`, or by its idle timeout, because a
   * STOP_SENDING frame was lost, which not every QUIC stack repeats; the rule is then tried again.
   */
  readonly lossy?: boolean | undefined
  /**
   * An address to bind, with port 0, and an IP address at which that socket can be dialled but from which it does not
   * answer, such as `{ bind: "0.0.0.0:0", dial: "127.0.0.2" }` on Linux. Without it, the rules about such peers are
   * left out.
   */
  readonly multihomed?: { readonly bind: string; readonly dial: string } | undefined
}

/**
 * Declares the suite under `name`. Each test builds `layer` anew and runs on the live clock: it waits for events, and
 * for time only where a rule is about time (idle timeouts of a second or more).
 *
 * @stability unstable
 * @category tests
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<Transport, E>, options: Options = {}): void => {
  const limit = Duration.fromInputUnsafe(options.limit ?? "20 seconds")
  const { address = "127.0.0.1:0", lossy = false, multihomed } = options
  // A rule awaits several conditions, each with its own limit.
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
                Effect.provideService(Environment, { address, limit, lossy, multihomed })
              ),
            timeout
          )
        }
      })
    }
  })
}
