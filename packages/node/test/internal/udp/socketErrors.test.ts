/**
 * What the error codes of several systems say.
 */
import { assert, describe, it } from "@effect/vitest"
import { isTransientCode } from "../../../../core/src/internal/networkCodes.ts"
import * as socketErrors from "../../../src/internal/udp/socketErrors.ts"
import { codeOfKind, knownCodes, systemCode } from "../../../src/internal/udp/systemCodes.ts"
import { address } from "../../support/quicSockets.ts"

const failed = (code: string) => Object.assign(new Error(`bind ${code}`), { code })

describe("a socket that cannot be opened", () => {
  it.each([
    ["linux", "EADDRINUSE", "the address is in use"],
    ["darwin", "EADDRINUSE", "the address is in use"],
    ["win32", "EADDRINUSE", "the address is in use"],
    ["linux", "EADDRNOTAVAIL", "the address is not one of this machine"],
    ["darwin", "EADDRNOTAVAIL", "the address is not one of this machine"],
    ["win32", "EADDRNOTAVAIL", "the address is not one of this machine"],
    ["linux", "EACCES", "permission denied"],
    ["darwin", "EACCES", "permission denied"],
    ["linux", "EPERM", "permission denied"],
    ["win32", "EACCES", "the system has reserved the port, or a program uses it that shares it with none"],
    ["linux", "EMFILE", "the socket could not be opened"]
  ])("on %s: %s", (platform, code, sentence) => {
    const at = address("127.0.0.1:80")
    const error = socketErrors.openError(at, socketErrors.openFailureOf(failed(code), platform), failed(code))
    assert.strictEqual(error.message, `cannot listen on 127.0.0.1:80: ${sentence}`)
  })
})

describe("a packet that the system does not send", () => {
  const local = address("192.168.1.2:5")
  const peer = address("192.168.1.3:5")
  const reason = (platform: string, code: string, from = local, to = peer) =>
    socketErrors.refusalReason(code, from, to, platform)

  it("is as good as lost while the system is short of memory, or tells of an earlier packet", () => {
    // ENOBUFS: a full queue of an interface on macOS and the BSDs. ECONNRESET: an ICMP message on Windows.
    for (const code of ["ENOBUFS", "ENOMEM", "EAGAIN", "ECONNRESET", "ECONNREFUSED", "ECANCELED"]) {
      assert.isTrue(socketErrors.isLikeLoss(code), code)
    }
    for (const code of ["EMSGSIZE", "EACCES", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "EINVAL"]) {
      assert.isFalse(socketErrors.isLikeLoss(code), code)
    }
  })

  it("from loopback to elsewhere has another code on each system, and one sentence", () => {
    const loopback = address("127.0.0.1:5")
    const sentence = "this endpoint is bound to 127.0.0.1, which reaches this machine only"
    for (const [platform, code] of [
      ["linux", "EINVAL"],
      ["linux", "UNKNOWN"],
      ["darwin", "EADDRNOTAVAIL"],
      ["win32", "EADDRNOTAVAIL"],
      ["win32", "ENETUNREACH"],
      ["win32", "EHOSTUNREACH"]
    ] as const) {
      assert.strictEqual(reason(platform, code, loopback), sentence)
    }
  })

  it("to a host without a route may be the user's will on macOS, but not to this machine itself", () => {
    assert.strictEqual(reason("linux", "EHOSTUNREACH"), "there is no route to the host")
    assert.strictEqual(reason("win32", "EHOSTUNREACH"), "there is no route to the host")
    assert.include(reason("darwin", "EHOSTUNREACH"), "or macOS keeps this program out of the local network")
    assert.strictEqual(reason("darwin", "EHOSTUNREACH", local, address("127.0.0.1:5")), "there is no route to the host")
  })

  it("to a neighbour that does not answer is EHOSTDOWN on macOS", () => {
    assert.strictEqual(reason("darwin", "EHOSTDOWN"), "the host is down")
  })
})

describe("the table of codes", () => {
  it("has each code that may pass with time, none of which is like a loss", () => {
    // The core tries these again, and tells of no others that it does.
    const passing = knownCodes.filter(isTransientCode)
    assert.sameMembers(passing, ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "ENODEV"])
    for (const code of passing) assert.isUndefined(systemCode(code).isLoss, code)
  })

  it("explains each code in one way: as a loss, or by what it says of a socket or of the way there", () => {
    for (const code of knownCodes) {
      const { isLoss, open, refusal } = systemCode(code)
      assert.strictEqual(isLoss === true, open === undefined && refusal === undefined, code)
    }
  })

  it("has a code for what Effect tells without one", () => {
    assert.deepStrictEqual(
      (["MessageTooLarge", "Unreachable", "ConnectionRefused", "PermissionDenied", "Unknown"] as const).map(codeOfKind),
      ["EMSGSIZE", "ENETUNREACH", "ECONNREFUSED", "EACCES", "UNKNOWN"]
    )
  })

  it("knows nothing of names that it inherits", () => {
    assert.deepStrictEqual(systemCode("constructor"), {})
  })
})
