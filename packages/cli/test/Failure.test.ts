import { assert, describe, it } from "@effect/vitest"
import { EndpointConfigError, Unreachable } from "@qp2p/core/EndpointError"
import * as PlatformError from "effect/PlatformError"
import { CommandFailed, describeFileError, fileProblem, fromError, oneLine } from "../src/Failure.ts"
import { alice } from "./support/fakeStream.ts"

describe("Failure", () => {
  it("fits on one line, for every text of a peer", () => {
    assert.strictEqual(oneLine(" Did you mean\n\n   this?\u001b[2J\u202e "), "Did you mean this?\\u001b[2J\\u202e")
  })

  it("is wrong usage when a setting is wrong, and a failure otherwise", () => {
    const setting = fromError(new EndpointConfigError({ path: "idleTimeout", detail: "must be more than 0" }))
    assert.deepStrictEqual([setting.exitCode, setting.detail], [2, "idleTimeout: must be more than 0"])
    const unreachable = fromError(new Unreachable({ publicAddress: alice }))
    assert.deepStrictEqual(
      [unreachable.exitCode, unreachable.detail],
      [1, `this endpoint cannot be reached at ${alice}`]
    )
  })

  it("keeps what it is when it passes through twice", () => {
    const error = new CommandFailed({ detail: "no", exitCode: 2 })
    assert.strictEqual(fromError(error), error)
  })

  it.each([
    ["NotFound", "cannot read a.bin: there is no such file or directory"],
    ["PermissionDenied", "cannot read a.bin: permission denied"],
    ["AlreadyExists", "cannot read a.bin: something of that name is there already"],
    ["Busy", "cannot read a.bin: the disk is on fire"]
  ] as const)("says what %s means for a file", (_tag, expected) => {
    const cause = new Error("the disk is on fire")
    const error = PlatformError.systemError({ module: "FileSystem", method: "open", _tag, cause })
    assert.strictEqual(describeFileError("cannot read a.bin", error), expected)
  })

  it.each([
    ["ENOSPC", "no space is left on the device"],
    ["EACCES", "permission denied"],
    ["EROFS", "the file system is read-only"],
    ["ENAMETOOLONG", "the name is too long"],
    ["EISDIR", "it is a directory"],
    ["EPIPE", "its reader has closed it"],
    ["EXDEV", "the system reported an error"]
  ])("tells a peer what %s means without a path", (code, expected) => {
    const cause = Object.assign(new Error(`${code}: failed, open '/home/alice/inbox/a.bin'`), { code })
    const error = PlatformError.systemError({
      module: "FileSystem",
      method: "open",
      _tag: "Unknown",
      pathOrDescriptor: "/home/alice/inbox/a.bin",
      cause
    })
    assert.strictEqual(fileProblem(error), expected)
  })
})
