// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import { Endpoint } from "@qp2p/core/Endpoint"
import * as Identity from "@qp2p/core/Identity"
import * as PeerId from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { execFile, execFileSync } from "node:child_process"
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { inspect } from "node:util"
import * as NodeEndpoint from "../src/NodeEndpoint.ts"
import * as NodeIdentity from "../src/NodeIdentity.ts"

const isWindows = process.platform === "win32"
const isRoot = process.geteuid?.() === 0

/** What `openssl genpkey -algorithm ed25519` wrote, and the id of its public key. */
const sample = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIKAQrTnBC5bY5A1PThiTg6FBWcJPWT7gdHJNAbG0YY4X
-----END PRIVATE KEY-----
`
const sampleId = "wzs3owmcs44ncogdyb4db6xuhju3t7mkfizq24sojnn732m3h2ta"

/** The private keys of RFC 8410, section 10.3: one without its public key, and the same one with it and an attribute. */
const rfc8410 = [
  `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----`,
  `-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
`
]
const rfc8410Key = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "qp2p-identity-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/** A file with mode 0600 in a folder of its own. */
const fileOf = (content: string | Uint8Array, mode = 0o600) =>
  Effect.map(folder, (path) => {
    const file = join(path, "key.pem")
    fs.writeFileSync(file, content)
    fs.chmodSync(file, mode)
    return file
  })

const idOf = (file: string) => Effect.map(NodeIdentity.fromFile(file), ({ peerId }) => peerId)

/** The error of a file, which must be an IdentityError that shows nothing of `secret`. */
const errorOf = (file: string, secret = "MC4CAQAwBQYDK2Vw") =>
  Effect.map(Effect.flip(NodeIdentity.fromFile(file)), (error) => {
    assert.instanceOf(error, Identity.IdentityError)
    assert.notInclude(inspect(error, { depth: 9, showHidden: true }), secret)
    assert.isTrue(error.detail.startsWith(`the key file ${file} `), error.detail)
    return error.detail.slice(`the key file ${file} `.length)
  })

const problemOf = (content: string | Uint8Array) => Effect.flatMap(fileOf(content), (file) => errorOf(file))

const pem = (der: Uint8Array, label = "PRIVATE KEY") =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString("base64")}\n-----END ${label}-----\n`

const der = Buffer.from(sample.split("\n")[1]!, "base64")

describe("a file that is not there", () => {
  it.live("is made with a new identity, which each later start has", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "key.pem")
      const made = yield* NodeIdentity.fromFile(file)
      const read = yield* NodeIdentity.fromFile(file)
      assert.strictEqual(read.peerId, made.peerId)
      assert.deepStrictEqual(Redacted.value(read.secretKey), Redacted.value(made.secretKey))
      const other = yield* NodeIdentity.fromFile(`${file}2`)
      assert.notStrictEqual(other.peerId, made.peerId)
      assert.deepStrictEqual(fs.readdirSync(join(file, "..")).toSorted(), ["key.pem", "key.pem2"])
    })
  )

  it.live("is PKCS#8 in PEM, as OpenSSL writes it, and has mode 0600 whatever the umask is", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "key.pem")
      const before = process.umask(0o777)
      const { peerId, secretKey } = yield* Effect.ensuring(
        NodeIdentity.fromFile(file),
        Effect.sync(() => process.umask(before))
      )
      const text = fs.readFileSync(file, "utf8")
      const key = createPrivateKey(text)
      assert.strictEqual(key.asymmetricKeyType, "ed25519")
      assert.strictEqual(key.export({ format: "pem", type: "pkcs8" }), text)
      assert.strictEqual(key.export({ format: "jwk" }).d, Buffer.from(Redacted.value(secretKey)).toString("base64url"))
      assert.strictEqual(key.export({ format: "jwk" }).x, Buffer.from(PeerId.toPublicKey(peerId)).toString("base64url"))
      if (!isWindows) assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
    })
  )

  it.live("is made once by many that start together, and all have its identity", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 10; round++) {
        const path = yield* folder
        const file = join(path, "key.pem")
        const ids = yield* Effect.forEach(Array.from({ length: 16 }), () => idOf(file), { concurrency: "unbounded" })
        assert.strictEqual(new Set([...ids, yield* idOf(file)]).size, 1)
        assert.deepStrictEqual(fs.readdirSync(path), ["key.pem"])
      }
    })
  )

  it.live("is made once by processes that start together, and all have its identity", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const file = join(path, "key.pem")
      const outputs = yield* Effect.forEach(Array.from({ length: 6 }), () => run(process.execPath, [program, file]), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(new Set(outputs), new Set([`${yield* idOf(file)}\n`]))
      assert.deepStrictEqual(fs.readdirSync(path), ["key.pem"])
    })
  )

  it.live("is whole or not there after an interruption, and there is no temporary file", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 20; round++) {
        const path = yield* folder
        const file = join(path, "key.pem")
        const fiber = yield* Effect.forkChild(NodeIdentity.fromFile(file), { startImmediately: true })
        // The first rounds interrupt at once or soon, the others as soon as there is a temporary file.
        for (let turn = 0; round < 5 ? turn < round : fs.readdirSync(path).length === 0; turn++) yield* nextTurn
        yield* Fiber.interrupt(fiber)
        const files = fs.readdirSync(path)
        assert.isTrue(files.length === 0 || files.join() === "key.pem", files.join())
        if (files.length > 0) yield* NodeIdentity.fromFile(file)
      }
    })
  )

  it.live.runIf(!isWindows)("is not left half written when the disk is full, and the temporary file is removed", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const file = join(path, "key.pem")
      const output = yield* run("sh", ["-c", 'ulimit -f 0; exec "$0" "$@"', process.execPath, program, file])
      assert.strictEqual(output, `the key file ${file} cannot be written (EFBIG)\n`)
      assert.deepStrictEqual(fs.readdirSync(path), [])
    })
  )

  it.live.runIf(!isWindows)(
    "is on the disk with all of its text before it has its name, and then its name is, too",
    () =>
      Effect.gen(function* () {
        const path = yield* folder
        const file = join(path, "key.pem")
        const handle = yield* Effect.promise(() => fs.promises.open(path))
        const prototype = Object.getPrototypeOf(handle) as { sync: (this: fs.promises.FileHandle) => Promise<void> }
        yield* Effect.promise(() => handle.close())
        const { sync } = prototype
        const synchronised: Array<unknown> = []
        prototype.sync = async function () {
          await sync.call(this)
          const stats = await this.stat()
          synchronised.push({
            isFolder: stats.isDirectory(),
            size: stats.isFile() && stats.size,
            isNamed: fs.existsSync(file)
          })
        }
        yield* Effect.ensuring(
          NodeIdentity.fromFile(file),
          Effect.sync(() => void (prototype.sync = sync))
        )
        assert.deepStrictEqual(synchronised, [
          { isFolder: false, size: sample.length, isNamed: false },
          { isFolder: true, size: false, isNamed: true }
        ])
      })
  )

  it.live("is an error without its folder, and where a symbolic link leads nowhere", () =>
    Effect.gen(function* () {
      const path = yield* folder
      assert.strictEqual(
        yield* errorOf(join(path, "none", "key.pem")),
        "cannot be made: its folder does not exist (ENOENT)"
      )
      if (isWindows) return
      fs.symlinkSync(join(path, "target.pem"), join(path, "link.pem"))
      assert.strictEqual(yield* errorOf(join(path, "link.pem")), "is a symbolic link to a file that does not exist")
      assert.deepStrictEqual(fs.readdirSync(path), ["link.pem"])
    })
  )
})

const nextTurn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

// The package as it is installed: this program needs a build.
const program = fileURLToPath(new URL("programs/identity.mjs", import.meta.url))

/** What a program prints. Node 20 also warns that its Ed25519 is experimental, on the standard error. */
const run = (command: string, args: ReadonlyArray<string>, env = process.env) =>
  Effect.callback<string>((resume) => {
    const child = execFile(command, [...args], { env }, (error, stdout, stderr) =>
      resume(Effect.succeed(error === null ? stdout : stderr))
    )
    return Effect.sync(() => void child.kill())
  })

describe("a file with a key", () => {
  it.live("of openssl is read", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* idOf(yield* fileOf(sample)), sampleId)
      assert.strictEqual(yield* idOf(yield* fileOf(sample, 0o400)), sampleId)
    })
  )

  it.live.runIf(hasOpenssl())("that openssl makes now has the identity that openssl tells", () =>
    Effect.gen(function* () {
      const file = yield* fileOf(execFileSync("openssl", ["genpkey", "-algorithm", "ed25519"]))
      const publicKey = execFileSync("openssl", ["pkey", "-in", file, "-pubout", "-outform", "DER"]).subarray(-32)
      assert.strictEqual(yield* idOf(file), PeerId.fromPublicKey(Uint8Array.from(publicKey)))
    })
  )

  it.live("of RFC 8410 is read, with its public key as without", () =>
    Effect.gen(function* () {
      for (const text of rfc8410) {
        assert.strictEqual(
          yield* idOf(yield* fileOf(text)),
          PeerId.fromPublicKey(Uint8Array.from(Buffer.from(rfc8410Key, "hex")))
        )
      }
    })
  )

  it.live("is read with a byte order mark, CRLF, other lines and white space around it", () =>
    Effect.gen(function* () {
      const body = der.toString("base64")
      const inShortLines = `-----BEGIN PRIVATE KEY-----\n${body.replaceAll(/(.{16})/gu, "$1 \n\t")}-----END PRIVATE KEY-----`
      for (const text of [`\uFEFF${sample}`, sample.replaceAll("\n", "\r\n"), `\n\n  ${sample}\n\t\n`, inShortLines]) {
        assert.strictEqual(yield* idOf(yield* fileOf(text)), sampleId)
      }
    })
  )

  it.live.runIf(!isWindows)("is found through a symbolic link, and its own mode counts", () =>
    Effect.gen(function* () {
      const file = yield* fileOf(sample)
      fs.symlinkSync("key.pem", `${file}.link`)
      assert.strictEqual(yield* idOf(`${file}.link`), sampleId)
      fs.chmodSync(file, 0o640)
      assert.match(yield* errorOf(`${file}.link`), /^can be read or written by others/u)
    })
  )

  it.live("is what an endpoint takes as its option, and its error is that of the endpoint", () =>
    Effect.gen(function* () {
      const start = (file: string) =>
        Effect.provide(
          Effect.map(Endpoint, ({ peerId }) => peerId),
          NodeEndpoint.layer({ identity: NodeIdentity.fromFile(file), localAddress: "127.0.0.1:0" })
        )
      assert.strictEqual(yield* start(yield* fileOf(sample)), sampleId)
      assert.instanceOf(yield* Effect.flip(start(yield* fileOf(""))), Identity.IdentityError)
    })
  )

  it.live("gives an identity that signs for its id and does not show its key", () =>
    Effect.gen(function* () {
      const identity = yield* NodeIdentity.fromFile(yield* fileOf(sample))
      const message = Uint8Array.of(1, 2, 3)
      assert.isTrue(yield* PeerId.verify(identity.peerId, message, yield* identity.sign(message)))
      assert.notInclude(inspect(identity, { depth: 9 }), "160, 16, 173")
    })
  )
})

function hasOpenssl(): boolean {
  try {
    return execFileSync("openssl", ["list", "-public-key-algorithms"], { encoding: "utf8" }).includes("ED25519")
  } catch {
    return false
  }
}

describe("a file that may not be used", () => {
  it.live.runIf(!isWindows)("is one that others can read, write or execute", () =>
    Effect.gen(function* () {
      for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777]) {
        assert.strictEqual(
          yield* errorOf(yield* fileOf(sample, mode)),
          `can be read or written by others (its mode is 0${mode.toString(8)}): \`chmod 600\` makes it private`
        )
      }
    })
  )

  it.live.runIf(isRoot)("is that of another user", () =>
    Effect.gen(function* () {
      const file = yield* fileOf(sample)
      fs.chownSync(file, 65_534, 65_534)
      assert.strictEqual(yield* errorOf(file), "belongs to the user 65534, and this process is the user 0")
    })
  )

  it.live.runIf(!isWindows)("is no regular file: a folder, a FIFO without a writer, a socket or a device", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const notRegular = "is no regular file"
      assert.strictEqual(yield* errorOf(path), notRegular)
      execFileSync("mkfifo", ["-m", "600", join(path, "fifo")])
      assert.strictEqual(yield* errorOf(join(path, "fifo")), notRegular)
      const socket = join(path, "socket")
      const server = createServer()
      yield* Effect.callback<void>((resume) => void server.listen(socket, () => resume(Effect.void)))
      yield* Effect.ensuring(
        Effect.map(errorOf(socket), (error) => assert.strictEqual(error, notRegular)),
        Effect.sync(() => void server.close())
      )
      assert.strictEqual(yield* errorOf("/dev/zero"), notRegular)
    })
  )

  it.live("is larger than any key", () =>
    Effect.gen(function* () {
      const padded = (length: number) => sample + " ".repeat(length - sample.length)
      assert.strictEqual(yield* problemOf(padded(16_385)), "has more than 16384 bytes: it is no key")
      assert.strictEqual(yield* idOf(yield* fileOf(padded(16_384))), sampleId)
      const sparse = yield* fileOf("")
      fs.truncateSync(sparse, 2 ** 40)
      assert.strictEqual(yield* errorOf(sparse), "has more than 16384 bytes: it is no key")
    })
  )

  it.live("is one of the kernel, which tells no size and may have any", () =>
    Effect.gen(function* () {
      const file = "/proc/self/environ"
      if (!fs.existsSync(file)) return
      assert.strictEqual(fs.statSync(file).size, 0)
      for (const [length, problem] of [
        [1_000, "cannot be used: it has no line -----BEGIN PRIVATE KEY-----"],
        [20_000, "has more than 16384 bytes: it is no key"]
      ] as const) {
        const output = yield* run(process.execPath, [program, file], { LONG: "x".repeat(length) })
        assert.strictEqual(output, `the key file ${file} ${problem}\n`)
      }
    })
  )
})

describe("a file that has no key of Ed25519", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  const { publicKey } = generateKeyPairSync("ed25519")
  const pkcs8 = (key: KeyObject) => key.export({ format: "pem", type: "pkcs8" })
  const encrypted = createPrivateKey(sample).export({
    format: "pem",
    type: "pkcs8",
    cipher: "aes-256-cbc",
    passphrase: "secret"
  })
  const withPublicKey = Buffer.from(rfc8410[1]!.split("\n").slice(1, 4).join(""), "base64")
  const wrongPublicKey = Buffer.from(withPublicKey)
  wrongPublicKey[wrongPublicKey.length - 1]! ^= 1
  const changed = (at: number, byte: number, from = der) => {
    const copy = Buffer.from(from)
    copy[at] = byte
    return pem(copy)
  }
  const noKey = "its PEM block is no PKCS#8 private key"

  const cases: ReadonlyArray<readonly [name: string, content: string | Uint8Array, problem: string]> = [
    ["RSA", pkcs8(rsa), "it has a key of RSA, not one of Ed25519"],
    ["P-256", pkcs8(p256), "it has a key of ECDSA, not one of Ed25519"],
    ["X25519", pkcs8(generateKeyPairSync("x25519").privateKey), "it has a key of X25519, not one of Ed25519"],
    ["Ed448", pkcs8(generateKeyPairSync("ed448").privateKey), "it has a key of Ed448, not one of Ed25519"],
    ["an unknown kind", changed(11, 0x7f), "it has a key of an unknown kind, not one of Ed25519"],
    ["RSA in PKCS#1", rsa.export({ format: "pem", type: "pkcs1" }), "it has an RSA key, not one of Ed25519"],
    [
      "P-256 in SEC 1",
      p256.export({ format: "pem", type: "sec1" }),
      "it has a key of an elliptic curve other than Ed25519"
    ],
    [
      "a passphrase",
      encrypted,
      "the key is encrypted, and nothing here asks for a passphrase: `openssl pkey` decrypts it"
    ],
    ["a public key", publicKey.export({ format: "pem", type: "spki" }), "it has a public key, not a private one"],
    ["OpenSSH's format", pem(der, "OPENSSH PRIVATE KEY"), "it has a key in the format of OpenSSH, not in PKCS#8"],
    ["a certificate", pem(der, "CERTIFICATE"), "it has a certificate, not a private key"],
    ["another label", pem(der, der.toString("base64")), "its PEM block is no private key"],
    ["two keys", sample + rfc8410[0]!, "it has 2 PEM blocks, and must have one: a private key"],
    [
      "a key and a certificate",
      sample + pem(der, "CERTIFICATE"),
      "it has 2 PEM blocks, and must have one: a private key"
    ],
    ["text before the key", `key: ${sample}`, "there is text outside of its PEM block"],
    ["text after the key", `${sample}key`, "there is text outside of its PEM block"],
    ["nothing", "", "it is empty"],
    ["white space", " \r\n", "it is empty"],
    ["garbage", "Lorem ipsum dolor sit amet", "it has no line -----BEGIN PRIVATE KEY-----"],
    ["bytes", der, "it has no line -----BEGIN PRIVATE KEY-----"],
    ["UTF-16", Buffer.from(`\uFEFF${sample}`, "utf16le"), "it is text in UTF-16, and must be in UTF-8"],
    ["a cut-off key", sample.slice(0, 60), "it has no line -----END PRIVATE KEY-----"],
    ["another end", sample.replace("END PRIVATE", "END PUBLIC"), "it has no line -----END PRIVATE KEY-----"],
    ["no base64", sample.replace("MC4C", "MC4*"), "its PEM block is no base64"],
    ["an empty block", pem(new Uint8Array(0)), noKey],
    ["no DER", pem(Uint8Array.from({ length: 48 }, () => 0xff)), noKey],
    ["a byte too few", pem(der.subarray(0, -1)), noKey],
    ["a byte too many", pem(Buffer.concat([der, Buffer.of(0)])), noKey],
    ["another version", changed(4, 2), noKey],
    ["a longer form of a length", pem(Buffer.concat([Buffer.of(0x30, 0x81), der.subarray(1)])), noKey],
    [
      "parameters of the algorithm",
      pem(Buffer.from(`3030020100300706032b65700500${der.toString("hex").slice(24)}`, "hex")),
      noKey
    ],
    [
      "a key of 31 bytes",
      pem(Buffer.from(`302d020100300506032b65700421041f${der.toString("hex").slice(34)}`, "hex")),
      "its key has 31 bytes, and one of Ed25519 has 32"
    ],
    ["another field behind the key", pem(Buffer.from(`3030${der.toString("hex").slice(4)}0500`, "hex")), noKey],
    ["another public key", pem(wrongPublicKey), "its public key is not that of its private key"]
  ]

  for (const [name, content, problem] of cases) {
    it.live(`but ${name} says so and shows nothing of it`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* problemOf(content), `cannot be used: ${problem}`)
      })
    )
  }

  it.live("is left as it is", () =>
    Effect.gen(function* () {
      const file = yield* fileOf("")
      yield* errorOf(file)
      assert.strictEqual(fs.readFileSync(file, "utf8"), "")
      assert.deepStrictEqual(fs.readdirSync(join(file, "..")), ["key.pem"])
    })
  )

  it.live("is an error when one byte is changed, but for the attributes, which are not read", () =>
    Effect.gen(function* () {
      const file = yield* fileOf("")
      for (let at = 0; at < withPublicKey.length; at++) {
        fs.writeFileSync(file, changed(at, withPublicKey[at]! ^ 0x10, withPublicKey))
        const result = yield* Effect.result(idOf(file))
        const isAttribute = at >= 50 && at < 81
        assert.strictEqual(result._tag, isAttribute ? "Success" : "Failure", `byte ${at}`)
      }
    })
  )
})

describe("a path that is none", () => {
  const cases: ReadonlyArray<readonly [path: unknown, detail: string]> = [
    ["", "path must be the path of a file, and is empty"],
    ["a\0b", "path must be the path of a file, and has a NUL character"],
    [sample, "path must be the path of a file, and not the text of a key"],
    [undefined, "path must be the path of a file, got undefined"],
    [new URL("file:///key.pem"), "path must be the path of a file, got a URL"]
  ]
  for (const [path, detail] of cases) {
    it.live(`such as ${inspect(path).slice(0, 20)} is an error, and shows no key`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(NodeIdentity.fromFile(path as never))
        assert.instanceOf(error, Identity.IdentityError)
        assert.strictEqual(error.detail, detail)
      })
    )
  }
})
