/**
 * What the benchmarks need is what `packages/core` has installed. It is reached by path, because this package is
 * outside the workspace and installs nothing. Importing through the same links as core gives the same module
 * instances.
 */
const installed = (path) => import(new URL(`../packages/core/node_modules/${path}`, import.meta.url).href)

await installed("reflect-metadata/Reflect.js")

export const { quiche } = (await installed("@matrixai/quic/dist/index.js")).native
export const x509 = await installed("@peculiar/x509/build/x509.es.js")

/** A module of Effect. */
export const effect = (module) => installed(`effect/dist/${module}.js`)

/** A module of the library, as built by `tsc -b`. */
export const core = (module) => import(new URL(`../packages/core/dist/${module}.js`, import.meta.url).href)
