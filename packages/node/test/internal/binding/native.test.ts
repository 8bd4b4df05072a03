/**
 * The loader of the native binding on machines that this one is not, in folders with packages that tests write.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, vi } from "vitest"
import type { Host } from "../../../src/internal/binding/host.ts"
import type { LoadFailure, System } from "../../../src/internal/binding/native.ts"
import * as native from "../../../src/internal/binding/native.ts"
import { packageFor } from "../../../src/internal/binding/platformPackages.ts"
import * as surface from "../../../src/internal/binding/surface.ts"

const work = realpathSync(mkdtempSync(join(tmpdir(), "qp2p-native-")))
afterAll(() => {
  try {
    rmSync(work, { recursive: true, force: true })
  } catch {
    // Windows removes no library that is loaded.
  }
})

const glibc: Host = { platform: "linux", arch: "x64", libc: { name: "glibc", version: "2.36" } }
const on = (platform: string, arch: string): Host => ({ platform, arch, libc: undefined })

let projects = 0

/** A project with this package in it, and the files that a test names. */
const project = (files: Record<string, string> = {}): string => {
  const root = join(work, `project-${(projects += 1)}`)
  const write = (file: string, content: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), content)
  }
  write("node_modules/@qp2p/node/package.json", "{}")
  for (const [file, content] of Object.entries(files)) write(file, content)
  return root
}

/** An installed package whose binary is a file of JavaScript. */
const installed = (name: string, code: string, version = "1.2.12"): Record<string, string> => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, version, main: "binding.js" }),
  [`node_modules/${name}/binding.js`]: code
})

/** A binding with every method that is called but the ones that are named. */
const bindingWithout = (...names: ReadonlyArray<string>): string =>
  [
    "class Config {}",
    "class Connection {}",
    "module.exports = { Config, Connection }",
    ...surface.names.filter((name) => !names.includes(name)).map((name) => `module.exports.${name} = () => {}`)
  ].join("\n")

/** The loader in a project, on some machine. */
const loadIn = (root: string, host: Host, more: Partial<System> = {}) =>
  native.loadFrom({
    host: () => host,
    file: join(root, "node_modules/@qp2p/node/dist/internal/binding/native.js"),
    override: undefined,
    directory: root,
    createRequire: (file) => {
      const require = createRequire(file)
      const resolve = (specifier: string) => {
        // What NODE_PATH brings is not this project's: package managers set it for the programs that they start.
        const found = require.resolve(specifier)
        if (!found.startsWith(root)) throw new Error(`Cannot find module '${specifier}'`)
        return found
      }
      return Object.assign((specifier: string) => require(specifier), require, { resolve }) as NodeJS.Require
    },
    ...more
  })

const failed = (result: native.Loaded | LoadFailure): LoadFailure => {
  if (native.isLoaded(result)) assert.fail(`loaded ${result.found.file}`)
  return result
}

const loaded = (result: native.Loaded | LoadFailure): native.Loaded => {
  if (!native.isLoaded(result)) assert.fail(result.detail)
  return result
}

describe("the binding of a platform", () => {
  it.each([
    ["linux", "x64", "@matrixai/quic-linux-x64"],
    ["darwin", "arm64", "@matrixai/quic-darwin-arm64"],
    ["darwin", "x64", "@matrixai/quic-darwin-x64"],
    ["win32", "x64", "@matrixai/quic-win32-x64"]
  ])("is the package's for %s-%s, and the loader says which file of which version it took", (platform, arch, name) => {
    const root = project(installed(name, bindingWithout()))
    const { found, quiche } = loaded(loadIn(root, on(platform, arch)))
    assert.deepStrictEqual(found, {
      name,
      version: "1.2.12",
      file: join(root, "node_modules", name, "binding.js"),
      isOverride: false
    })
    assert.strictEqual(typeof quiche.Connection.connect, "function")
  })

  it.each([
    ["linux", "arm64", "there is none for linux-arm64"],
    ["linux", "ia32", "there is none for linux-ia32"],
    ["freebsd", "x64", "there is none for freebsd-x64"],
    ["win32", "arm64", "there is none for Windows on ARM, where the x64 build of Node can be used instead"]
  ])("is not published for %s-%s: the detail says so, and how to build one", (platform, arch, text) => {
    const { detail, why } = failed(loadIn(project(), on(platform, arch)))
    assert.strictEqual(why._tag, "NotPublished")
    assert.strictEqual(
      detail,
      `no published binary of the QUIC binding fits ${platform}-${arch}: ${text}; build one and name its file in ` +
        'QP2P_QUICHE_BINDING; see "Build the binding" in docs/platforms.md of @qp2p/node'
    )
  })

  it("is found to be missing where optional dependencies were left out", () => {
    const root = project()
    const { cause, detail, why } = failed(loadIn(root, glibc))
    assert.strictEqual(why._tag, "NotInstalled")
    assert.include(detail, "the QUIC binding for linux-x64 (glibc 2.36) is not installed")
    assert.include(detail, `${join(root, "node_modules/@qp2p/node/dist/internal/binding/native.js")} finds no`)
    assert.include(detail, "--omit=optional")
    assert.include(detail, "supportedArchitectures")
    assert.include(String(cause), "@matrixai/quic-linux-x64")
  })

  it("is found to be another system's where node_modules came from there", () => {
    const root = project(installed("@matrixai/quic-darwin-arm64", bindingWithout()))
    const { detail } = failed(loadIn(root, glibc))
    assert.include(
      detail,
      "finds no @matrixai/quic-linux-x64; @matrixai/quic-darwin-arm64 is there, so this node_modules"
    )
    assert.include(detail, "install again")
    assert.notInclude(detail, "--omit=optional")
  })

  it("is found to have been bundled away where this module has another file's name", () => {
    const root = project()
    const { detail, why } = failed(loadIn(root, glibc, { file: join(root, "dist/server.mjs") }))
    assert.strictEqual(why._tag, "Bundled")
    assert.include(
      detail,
      `the QUIC binding cannot be bundled: ${join(root, "dist/server.mjs")} finds no @matrixai/quic-linux-x64`
    )
    assert.include(detail, 'see "Bundlers" in docs/platforms.md of @qp2p/node')
  })

  it("is found from a bundle that has the package near it", () => {
    const root = project(installed("@matrixai/quic-linux-x64", bindingWithout()))
    assert.isTrue(native.isLoaded(loadIn(root, glibc, { file: join(root, "dist/server.mjs") })))
  })

  it("is refused when a method that the driver calls is missing, and each is named", () => {
    const root = project(
      installed("@matrixai/quic-linux-x64", bindingWithout("Connection.prototype.streamSend", "retry"), "9.9.9")
    )
    const { detail, why } = failed(loadIn(root, glibc))
    assert.deepInclude(why, { _tag: "WrongSurface", missing: ["retry", "Connection.prototype.streamSend"] })
    assert.strictEqual(
      detail,
      `@matrixai/quic-linux-x64 9.9.9 (${join(root, "node_modules/@matrixai/quic-linux-x64/binding.js")}) is not the QUIC ` +
        "binding that this package works with: it has no retry, Connection.prototype.streamSend"
    )
  })

  it.each([["module.exports = null"], ["module.exports = 7"], ["module.exports = { Connection: {}, Config: 1 }"]])(
    "is refused when it is something else: %s",
    (code) => {
      const { detail, why } = failed(loadIn(project(installed("@matrixai/quic-win32-x64", code)), on("win32", "x64")))
      assert.deepInclude(why, { _tag: "WrongSurface", missing: surface.names })
      assert.include(detail, `and ${surface.names.length - 5} more of the methods that it needs`)
    }
  )

  it("is refused by this system when its file is no binary", () => {
    const name = "@matrixai/quic-linux-x64"
    const root = project({
      [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: "2.0.9", main: "node.napi.node" }),
      [`node_modules/${name}/node.napi.node`]: "no binary at all, but long enough to have the header of one ".repeat(99)
    })
    const { cause, detail, why } = failed(loadIn(root, glibc))
    assert.strictEqual(why._tag, "Refused")
    assert.include(detail, `the system does not load the QUIC binding ${name} 2.0.9`)
    assert.include(detail, "the file is made for another system or processor, or is damaged (")
    assert.include(detail, (cause as Error).message.split("\n")[0]!)
  })
})

describe("QP2P_QUICHE_BINDING", () => {
  const own = "build/quiche.js"
  const files = { [own]: bindingWithout() }

  it("takes a path, absolute or from the working directory, before the package of the platform", () => {
    const root = project({ ...files, ...installed("@matrixai/quic-linux-x64", bindingWithout()) })
    for (const override of [join(root, own), own, `./${own}`]) {
      const { found } = loaded(loadIn(root, glibc, { override }))
      assert.deepStrictEqual(found, { name: undefined, version: undefined, file: join(root, own), isOverride: true })
    }
  })

  it("makes a platform without a published binary work", () => {
    const root = project(files)
    const host: Host = { platform: "linux", arch: "arm64", libc: { name: "musl", version: undefined } }
    assert.isTrue(native.isLoaded(loadIn(root, host, { override: own })))
  })

  it.skipIf(packageFor(process) === undefined).each(["libquic.so", "libquic.dylib", "quic.dll"])(
    "takes what a compiler makes, without a new name: %s",
    (name) => {
      const require = createRequire(import.meta.url)
      const root = project({ "target/release/README": "" })
      const override = join(root, "target/release", name)
      copyFileSync(require.resolve(packageFor(process)!), override)
      assert.strictEqual(loaded(loadIn(root, glibc, { override })).found.file, override)
    }
  )

  it("takes the name of a package that the program has installed", () => {
    const root = project(installed("@example/quiche-linux-arm64", bindingWithout(), "0.18.0"))
    const { found } = loaded(loadIn(root, on("linux", "arm64"), { override: "@example/quiche-linux-arm64" }))
    assert.strictEqual(found.name, "@example/quiche-linux-arm64")
    assert.strictEqual(found.version, "0.18.0")
  })

  it("that names nothing fails, even where the package of the platform is installed", () => {
    const root = project(installed("@matrixai/quic-linux-x64", bindingWithout()))
    const { detail, why } = failed(loadIn(root, glibc, { override: "nowhere/quiche.node" }))
    assert.strictEqual(why._tag, "OverrideMissing")
    assert.strictEqual(
      detail,
      `QP2P_QUICHE_BINDING is "nowhere/quiche.node": there is no file ${join(root, "nowhere/quiche.node")}, and no such ` +
        "package is installed"
    )
  })

  it("is told of when what it names is no binding", () => {
    const root = project({ [own]: "module.exports = {}" })
    const { detail } = failed(loadIn(root, glibc, { override: own }))
    assert.include(detail, `${join(root, own)}, named by QP2P_QUICHE_BINDING, is not the QUIC binding`)
  })

  for (const [what, source, told] of [
    ["throws no error", "throw Object.create(null)", "it throws a value without a text"],
    ["throws an error without a message", "throw Object.assign(new Error(), { message: undefined })", "undefined"],
    [
      "throws when it is read",
      'module.exports = new Proxy({}, { get() { throw new Error("not to be read") } })',
      "not to be read"
    ]
  ] as const) {
    it(`is told of when what it names ${what}`, () => {
      const root = project({ [own]: source })
      const { detail, why } = failed(loadIn(root, glibc, { override: own }))
      assert.strictEqual(why._tag, "Refused")
      assert.include(
        detail,
        `${join(root, own)}, named by QP2P_QUICHE_BINDING, on linux-x64 (glibc 2.36): ${told}; see`
      )
    })
  }

  it("is unset when it is empty", () => {
    const root = project(installed("@matrixai/quic-linux-x64", bindingWithout()))
    assert.isFalse(loaded(loadIn(root, glibc, { override: "" })).found.isOverride)
  })
})

describe("the binding of this machine", () => {
  it("has every method that the driver calls, and is the object of the package's own entry point", async () => {
    const require = createRequire(import.meta.url)
    const root = dirname(dirname(require.resolve("@matrixai/quic/package.json")))
    const own = loaded(
      native.loadFrom({
        host: () => ({ platform: process.platform, arch: process.arch, libc: undefined }),
        file: import.meta.filename.replace("native.test.ts", "native.ts"),
        override: undefined,
        directory: root,
        createRequire
      })
    )
    const entry = await import("@matrixai/quic/native/quiche.js")
    assert.strictEqual(own.quiche, entry.default)
    assert.deepStrictEqual(surface.missing(entry.default), [])
  })

  it.effect("loads where neither the environment nor the working directory can be read", () =>
    Effect.gen(function* () {
      const refuse = () => {
        throw new Error("no permission")
      }
      const { env } = process
      const cwd = vi.spyOn(process, "cwd").mockImplementation(refuse)
      process.env = new Proxy(env, { get: refuse })
      const quiche = yield* Effect.ensuring(
        native.load,
        Effect.sync(() => {
          process.env = env
          cwd.mockRestore()
        })
      )
      assert.deepStrictEqual(surface.missing(quiche), [])
    })
  )
  it.effect("loads without a diagnostic report, which takes milliseconds", () =>
    Effect.gen(function* () {
      const reports = vi.spyOn(process.report, "getReport")
      yield* Effect.ensuring(
        Effect.andThen(
          native.load,
          Effect.sync(() => assert.strictEqual(reports.mock.calls.length, 0))
        ),
        Effect.sync(() => reports.mockRestore())
      )
    })
  )
})
