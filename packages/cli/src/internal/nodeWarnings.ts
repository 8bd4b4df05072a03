/** The warnings of Node that the command leaves out: they tell its user nothing. */

/** The view of `process`. */
interface Warning {
  emitWarning: (...args: ReadonlyArray<never>) => void
}

/** Node 20 says until 20.19 that Ed25519 of WebCrypto is experimental. It works there as in newer versions. */
const isAboutEd25519 = (warning: unknown): boolean =>
  String(warning).startsWith("The Ed25519 Web Crypto API algorithm is an experimental feature")

/** Leaves the warnings out from now on. All others are printed as before. */
export const leaveOutWarnings = (host: Warning): void => {
  const emit = host.emitWarning.bind(host)
  host.emitWarning = (...args) => {
    if (!isAboutEd25519(args[0])) emit(...args)
  }
}
