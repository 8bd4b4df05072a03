import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import type { Connection } from "../../../src/Connection.ts"
import { DialledConnections } from "../../../src/internal/endpoint/dialledConnections.ts"
import { address } from "../../support/values.ts"

const dialledAt = (text: string | undefined) =>
  ({ dialledAddress: Option.map(Option.fromUndefinedOr(text), address) }) as unknown as Connection

describe("connections by the address that was dialled", () => {
  const here = "192.0.2.1:1"

  it("are in the order in which they were dialled, however the address is written", () => {
    const dialled = new DialledConnections()
    const [first, second] = [dialledAt("[2001:db8::1]:1"), dialledAt("[2001:db8:0:0::1]:1")]
    dialled.add(first)
    dialled.add(second)
    assert.deepStrictEqual(dialled.all(address("[2001:db8::1]:1")), [first, second])
    assert.deepStrictEqual(dialled.all(address(here)), [])
  })

  it("are none that the peer dialled", () => {
    const dialled = new DialledConnections()
    const accepted = dialledAt(undefined)
    dialled.add(accepted)
    assert.strictEqual(dialled.size, 0)
    dialled.remove(accepted)
  })

  it("leave nothing behind when they are gone, and may go twice", () => {
    const dialled = new DialledConnections()
    const connections = Array.from({ length: 1_000 }, (_, i) => dialledAt(`192.0.2.1:${1 + (i % 100)}`))
    for (const connection of connections) dialled.add(connection)
    assert.strictEqual(dialled.size, 100)
    for (const connection of [...connections, ...connections]) dialled.remove(connection)
    assert.strictEqual(dialled.size, 0)
  })

  it("hand out lists that do not change under the reader's feet", () => {
    const dialled = new DialledConnections()
    const [first, second] = [dialledAt(here), dialledAt(here)]
    dialled.add(first)
    dialled.add(second)
    const all = dialled.all(address(here))
    for (const connection of all) dialled.remove(connection)
    assert.deepStrictEqual(all, [first, second])
  })
})
