/**
 * What the compiler knows of the native binding: whatever `@matrixai/quic` declares satisfies the interface that the driver
 * uses. `surface.ts` looks whether it is there as well.
 */
import type { native } from "@matrixai/quic"
import { expectTypeOf, it } from "@effect/vitest"
import type * as quiche from "../../../src/internal/binding/quiche.ts"

it("the types of the package satisfy ours", () => {
  expectTypeOf<native.Config>().toExtend<quiche.Config>()
  expectTypeOf<native.ConfigConstructor>().toExtend<quiche.ConfigConstructor>()
  expectTypeOf<native.Connection>().toExtend<quiche.Connection>()
  expectTypeOf<native.ConnectionConstructor>().toExtend<quiche.ConnectionConstructor>()
  expectTypeOf<typeof native.quiche>().toExtend<quiche.Quiche>()
})
