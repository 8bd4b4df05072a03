import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import { IdleTimedOut } from "../../../src/Close.ts"
import { ConnectionTimedOut } from "../../../src/ConnectionError.ts"
import type { ConnectionId } from "../../../src/ConnectionId.ts"
import { ConnectionImpl, type ConnectionOwner } from "../../../src/internal/connection/connection.ts"
import { ask } from "../../../src/internal/endpoint/asking.ts"
import { ConnectionLost } from "../../../src/SendError.ts"
import type { BackingConnection } from "../../../src/Transport.ts"

const peer = NetAddress.inetAddressFromStringUnsafe("192.0.2.7:443")

it.effect("a question on a connection that has ended fails with its end, and touches nothing", () =>
  Effect.gen(function* () {
    const touched: Array<string> = []
    const backing = {
      remoteAddress: peer,
      openBi: () => {
        touched.push("openBi")
        throw new Error("calls on what is over do nothing")
      }
    } as unknown as BackingConnection
    const owner = { stopped: () => false, onClosed: () => {} } as unknown as ConnectionOwner
    const connection = new ConnectionImpl("id" as ConnectionId, backing, owner)
    connection.onClosed(new IdleTimedOut())
    const answer = ask(connection, { _tag: "EndpointEchoReq" }, { limit: Duration.infinity, maxMessageSize: 1_000 })
    assert.deepStrictEqual(yield* Effect.flip(answer), new ConnectionLost({ reason: new ConnectionTimedOut({ peer }) }))
    assert.deepStrictEqual(touched, [])
  })
)

it.effect("a connection whose end makes the program's pool fail has ended all the same", () =>
  Effect.gen(function* () {
    const backing = { remoteAddress: peer } as unknown as BackingConnection
    const owner = {
      onClosed: () => {
        throw new Error("a defect of the program's pool")
      }
    } as unknown as ConnectionOwner
    const connection = new ConnectionImpl("id" as ConnectionId, backing, owner)
    assert.throws(() => connection.onClosed(new IdleTimedOut()), "a defect of the program's pool")
    assert.deepStrictEqual(yield* connection.closed, new IdleTimedOut())
  })
)
