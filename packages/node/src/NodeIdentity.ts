/**
 * The identity of an endpoint, kept in a file.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Identity from "@qp2p/core/Identity"
import * as InvalidArgument from "@qp2p/core/InvalidArgument"
import * as PeerId from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { resolve } from "node:path"
import { createKeyFile, isSymbolicLink, KeyFileError, readKeyFile } from "./internal/identity/keyFile.ts"
import { decodePem, encodePem } from "./internal/identity/pem.ts"
import { decodePkcs8, encodePkcs8 } from "./internal/identity/pkcs8.ts"

/**
 * Reads the identity in a file, or makes the file with a new identity when there is none.
 *
 * The file has a private key of Ed25519 in PKCS#8, as one PEM block (RFC 8410, section 7). `openssl genpkey -algorithm ed25519`
 * writes such files, too. Processes that start at the same time make one file, and all have its identity. The file is never
 * half written: it is there with all of its text, on the disk, or it is not there. An interruption waits until a file that
 * is being made is complete.
 *
 * Fails with `IdentityError`:
 * - when others than the owner can read or write the file, or the file belongs to another user. Windows has no modes: there,
 *   nothing of this is checked, and the access list that the file inherits from its folder decides.
 * - when it is no regular file, has more than 16,384 bytes, or is not one unencrypted key of Ed25519. A byte order mark, CRLF
 *   and white space around the block are accepted. A file that has the public key as well must have the right one.
 * - when it cannot be read or made. The folder must exist, on a file system with hard links. A new file has mode 0600.
 *
 * Symbolic links are followed, and what they lead to is checked. One that leads nowhere is an error: no file is made there.
 * A process that can write to the folder can remove the file, and the next start then makes another identity: keep the folder
 * private as well. A process that is killed while it makes the file can leave a file `.NAME.HEX.tmp` of mode 0600 in the
 * folder, which can be removed.
 *
 * An endpoint that restarts with the key of a file, on its port, answers packets of its former connections with stateless
 * resets (RFC 9000, section 10.3), so that its peers dial again at once. With a new key at each start it cannot: its peers find
 * out by themselves. For what two processes with one file do to each other, see `Identity` of `@qp2p/core`.
 *
 * The key is in no error. `path` is relative to the current folder. An endpoint takes this as the option `identity`:
 * `Endpoint.layer({ identity: NodeIdentity.fromFile("identity.pem") })`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromFile = (path: string): Effect.Effect<Identity.Identity, Identity.IdentityError> =>
  Effect.suspend(() => {
    const problem = problemOfPath(path)
    if (problem !== undefined) return Effect.fail(new Identity.IdentityError({ detail: problem }))
    return Effect.mapError(readOrCreate(resolve(path)), (error) => identityError(path, error))
  })

/** A key given in place of its file's path is not shown, and no file gets it as a name. */
const problemOfPath = (path: unknown): string | undefined => {
  if (typeof path !== "string") return `path must be the path of a file, got ${InvalidArgument.show(path)}`
  if (path === "") return "path must be the path of a file, and is empty"
  if (/[\r\n]|-----BEGIN /u.test(path)) return "path must be the path of a file, and not the text of a key"
  return path.includes("\0") ? "path must be the path of a file, and has a NUL character" : undefined
}

const identityError = (path: string, error: KeyFileError | Identity.IdentityError): Identity.IdentityError =>
  error._tag === "IdentityError"
    ? error
    : new Identity.IdentityError({
        detail: `the key file ${path} ${error.detail}`,
        ...(error.cause === undefined ? {} : { cause: error.cause })
      })

type Made = Effect.Effect<Identity.Identity, KeyFileError | Identity.IdentityError>

const readOrCreate = (path: string): Made =>
  Effect.flatMap(
    readKeyFile(path),
    Option.match({
      onNone: () => create(path),
      onSome: identityOf
    })
  )

const identityOf = (file: Uint8Array): Made =>
  Effect.gen(function* () {
    const key = yield* Effect.fromResult(Result.flatMap(decodePem(file), decodePkcs8)).pipe(
      Effect.mapError((problem) => new KeyFileError({ detail: `cannot be used: ${problem}` }))
    )
    const identity = yield* Identity.fromSecretKey(key.seed)
    if (key.publicKey !== undefined && PeerId.fromPublicKey(key.publicKey) !== identity.peerId) {
      return yield* new KeyFileError({ detail: "cannot be used: its public key is not that of its private key" })
    }
    return identity
  })

/** The file of another process may be there first: then its identity counts. */
const create = (path: string): Made =>
  Effect.gen(function* () {
    const identity = yield* Identity.generate
    const isOurs = yield* createKeyFile(path, encodePem(encodePkcs8(Redacted.value(identity.secretKey))))
    if (isOurs) return identity
    const file = yield* readKeyFile(path)
    if (Option.isSome(file)) return yield* identityOf(file.value)
    return yield* new KeyFileError({
      detail: (yield* isSymbolicLink(path))
        ? "is a symbolic link to a file that does not exist"
        : "was removed while it was read"
    })
  })
