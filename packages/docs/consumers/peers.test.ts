/** Which versions of effect and vitest a project may have beside the packages: what npm says when it resolves them. */
import { assert, describe, it } from "vitest"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { consumers, run } from "./project.ts"

/** A tarball of nothing but a name and a version: enough for npm to resolve, and newer than what the registry has. */
const stub = async (name: string, version: string): Promise<string> => {
  const folder = join(consumers.work, "stubs", `${name}-${version}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version }))
  const { code, output } = await run([...consumers.npm, "pack"], folder)
  assert.strictEqual(code, 0, output)
  return join(folder, `${name}-${version}.tgz`)
}

/** Resolves a project with every library, the testkit's optional peers and these versions, without fetching them. */
const resolve = async (name: string, effect: string, vitest: string) => {
  const folder = join(consumers.work, name)
  mkdirSync(folder)
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true }))
  const packages = [...consumers.tarballs, await stub("effect", effect), await stub("vitest", vitest)]
  const flags = ["--package-lock-only", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=warn"]
  const ended = await run([...consumers.npm, "install", ...flags, ...packages, "@effect/vitest@4.0.5"], folder)
  return { ...ended, lockfile: join(folder, "package-lock.json") }
}

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version: string }>>
}

const versionsOf = (lockfile: string, name: string): ReadonlyArray<string> =>
  Object.entries((JSON.parse(readFileSync(lockfile, "utf8")) as Lockfile).packages)
    .filter(([path]) => path.endsWith(`node_modules/${name}`))
    .map(([, { version }]) => version)

describe("a project with", () => {
  it("newer patches of effect and vitest installs without a warning, and has each of them once", async () => {
    const { code, lockfile, output } = await resolve("newer", "4.1.99", "5.99.0")
    assert.strictEqual(code, 0, output)
    // Dependencies of dependencies ask for a newer Node than 20, and one of nat-upnp's is deprecated: neither is about peers.
    const warnings = output.split("\n").filter((line) => /warn/iu.test(line) && !/EBADENGINE|deprecated/u.test(line))
    assert.deepStrictEqual(warnings, [])
    assert.deepStrictEqual(versionsOf(lockfile, "effect"), ["4.1.99"])
    assert.deepStrictEqual(versionsOf(lockfile, "vitest"), ["5.99.0"])
  })

  it("another minor version of effect is told so", async () => {
    const { code, output } = await resolve("another", "4.2.0", "5.99.0")
    assert.notStrictEqual(code, 0, output)
    assert.match(output, /ERESOLVE/u)
    assert.match(output, /peer effect@"~4\.1\.0" from @qp2p\/\w+/u)
  })
})
