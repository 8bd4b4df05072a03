/**
 * What is read of the machine, with the samples of several.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import { afterEach, vi } from "vitest"
import * as host from "../../../src/internal/binding/host.ts"
import { unsupported } from "../../../src/internal/binding/platformPackages.ts"

describe("the C library", () => {
  it.each([
    [
      "glibc",
      { header: { glibcVersionRuntime: "2.36" }, sharedObjects: ["/lib/x86_64-linux-gnu/libc.so.6"] },
      "glibc 2.36"
    ],
    ["musl", { header: {}, sharedObjects: ["linux-vdso.so.1", "/lib/ld-musl-x86_64.so.1"] }, "musl"],
    ["musl under its other name", { header: {}, sharedObjects: ["/lib/libc.musl-aarch64.so.1"] }, "musl"]
  ])("%s shows in a diagnostic report", (_name, report, expected) => {
    const at = { platform: "linux", arch: "x64", libc: host.libcOf(report) }
    assert.strictEqual(host.format(at), `linux-x64 (${expected})`)
  })

  it("is unknown where a report says nothing of it, as on macOS and on Windows", () => {
    for (const report of [{}, { header: {} }, { header: {}, sharedObjects: ["C:\\Windows\\System32\\ntdll.dll", 7] }]) {
      assert.isUndefined(host.libcOf(report))
    }
    assert.strictEqual(host.format({ platform: "win32", arch: "x64", libc: undefined }), "win32-x64")
  })

  it("of this machine is read without a look-up of names", () => {
    const { libc } = host.current()
    assert.strictEqual(libc === undefined, process.platform !== "linux")
  })
})

describe("the C library of this machine", () => {
  afterEach(() => {
    vi.restoreAllMocks()
    vi.resetModules()
  })

  it("is read when it is first asked for, and only once", async () => {
    vi.resetModules()
    const fresh = await import("../../../src/internal/binding/host.ts")
    const reports = vi.spyOn(process.report, "getReport")
    const [one, other] = [fresh.current(), fresh.current()]
    assert.strictEqual(reports.mock.calls.length, 0)
    assert.deepStrictEqual([one.libc, one.libc, fresh.current().libc], [other.libc, other.libc, other.libc])
    assert.strictEqual(reports.mock.calls.length, process.platform === "linux" ? 1 : 0)
  })
})

describe("whether a published binary should fit", () => {
  const linux = (version: string): host.Host => ({ platform: "linux", arch: "x64", libc: { name: "glibc", version } })

  it("depends on the version of glibc, whose parts are numbers", () => {
    for (const version of ["2.34", "2.36", "2.100", "3.0"]) assert.isUndefined(unsupported(linux(version)))
    for (const version of ["2.5", "2.9", "2.33", "1.99"]) {
      assert.strictEqual(
        unsupported(linux(version)),
        `the one for Linux needs glibc 2.34 or newer, and this system has ${version}`
      )
    }
  })

  it("says no to musl", () => {
    const musl: host.Host = { platform: "linux", arch: "x64", libc: { name: "musl", version: undefined } }
    assert.strictEqual(unsupported(musl), "the one for Linux needs glibc, and this system has musl")
  })

  it("says yes where the C library is not known", () => {
    for (const platform of ["linux", "darwin", "win32"]) {
      assert.isUndefined(unsupported({ platform, arch: "x64", libc: undefined }))
    }
  })
})
