/**
 * What is made of a system's refusal to load a binary: samples of Linux, macOS, Windows and other runtimes.
 */
import { assert, it } from "@effect/vitest"
import type { Host } from "../../../src/internal/binding/host.ts"
import { loadFailure } from "../../../src/internal/binding/loadFailure.ts"

const file = "/app/node_modules/@matrixai/quic-x/node.napi.node"
const linux = (libc: Host["libc"]): Host => ({ platform: "linux", arch: "x64", libc })
const glibc = linux({ name: "glibc", version: "2.36" })
const arm: Host = { platform: "linux", arch: "arm64", libc: { name: "glibc", version: "2.36" } }
const mac: Host = { platform: "darwin", arch: "arm64", libc: undefined }
const windows: Host = { platform: "win32", arch: "x64", libc: undefined }

const refusal = (host: Host, message: string, code = "ERR_DLOPEN_FAILED", isOverride = false) =>
  loadFailure({
    _tag: "Refused",
    host,
    found: {
      name: isOverride ? undefined : "@matrixai/quic-x",
      version: isOverride ? undefined : "2.0.9",
      file,
      isOverride
    },
    cause: Object.assign(new Error(message), { code })
  })

it.each([
  [
    "musl",
    linux({ name: "musl", version: undefined }),
    `Error loading shared library libgcc_s.so.1: No such file or directory (needed by ${file})`,
    "the one for Linux needs glibc, and this system has musl; build one and name its file in QP2P_QUICHE_BINDING"
  ],
  [
    "an old glibc",
    linux({ name: "glibc", version: "2.31" }),
    `/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_2.34' not found (required by ${file})`,
    "the one for Linux needs glibc 2.34 or newer, and this system has 2.31; build one"
  ],
  [
    "an old glibc whose version is unknown",
    linux(undefined),
    `/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_2.33' not found (required by ${file})`,
    "it needs glibc 2.34 or newer; build one"
  ],
  [
    "Windows without the runtime library of Visual C++",
    windows,
    `The specified module could not be found.\n\\\\?\\C:\\app\\node.napi.node`,
    "install the Microsoft Visual C++ Redistributable (VCRUNTIME140.dll)"
  ],
  [
    "Windows with another processor's binary",
    windows,
    `\\\\?\\C:\\app\\node.napi.node is not a valid Win32 application.\n\\\\?\\C:\\app\\node.napi.node`,
    "the file is made for another system or processor, or is damaged"
  ],
  [
    "Linux with another processor's binary",
    arm,
    `${file}: cannot open shared object file: No such file or directory`,
    "there is none for linux-arm64; build one"
  ],
  [
    "Linux without a library that the binary needs",
    glibc,
    "libgcc_s.so.1: cannot open shared object file: No such file or directory",
    "a library that it needs is missing ("
  ],
  [
    "macOS without a library that the binary needs",
    mac,
    `dlopen(${file}, 0x0001): Library not loaded: /usr/lib/libiconv.2.dylib`,
    "a library that it needs is missing ("
  ],
  [
    "Windows with a binary for Windows on ARM",
    windows,
    `This version of \\\\?\\C:\\app\\node.napi.node is not compatible with the version of Windows you're running.`,
    "the file is made for another system or processor, or is damaged"
  ],
  [
    "Wine with a binary of Linux",
    windows,
    `Bad EXE format for \\\\?\\C:\\app\\node.napi.node.`,
    "the file is made for another system or processor, or is damaged"
  ],
  [
    "macOS with another processor's binary",
    mac,
    `dlopen(${file}, 0x0001): tried: '${file}' (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64e' or 'arm64'))`,
    "the file is made for another system or processor, or is damaged"
  ],
  [
    "Linux with a binary of macOS",
    glibc,
    `${file}: invalid ELF header`,
    "the file is made for another system or processor, or is damaged"
  ]
])("%s", (_name, host, message, expected) => {
  const { detail } = refusal(host, message)
  assert.include(
    detail,
    `the system does not load the QUIC binding @matrixai/quic-x 2.0.9 (${file}) on ${host.platform}-`
  )
  assert.include(detail, expected)
  assert.include(detail, message.split("\n")[0]!)
  assert.notInclude(detail, "\n")
})

it.each([
  [
    "--no-addons",
    "Cannot load native addon because loading addons is disabled.",
    "ERR_DLOPEN_DISABLED",
    "--allow-addons"
  ],
  [
    "Deno",
    'Requires ffi access to "/app/node.napi.node", run again with the --allow-ffi flag',
    "",
    "Deno needs --allow-ffi"
  ]
])("a runtime that may not load addons: %s", (_name, message, code, expected) => {
  assert.include(refusal(glibc, message, code).detail, expected)
})

it("anything else is told as the system says it, with where to read on", () => {
  assert.include(
    refusal(mac, "code signature invalid").detail,
    ': code signature invalid; see "When the binding does not load" in docs/platforms.md of @qp2p/node'
  )
})

it("a binary of one's own is not measured by what published ones need", () => {
  const { detail } = refusal(
    linux({ name: "glibc", version: "2.31" }),
    `version \`GLIBC_2.38' not found (required by ${file})`,
    "ERR_DLOPEN_FAILED",
    true
  )
  assert.include(detail, `the QUIC binding ${file}, named by QP2P_QUICHE_BINDING, on linux-x64 (glibc 2.31)`)
  assert.include(detail, "it needs glibc 2.38 or newer")
  const other = refusal(glibc, `${file}: cannot open shared object file: No such file or directory`, "", true)
  assert.include(other.detail, "the file is made for another system or processor")
})
