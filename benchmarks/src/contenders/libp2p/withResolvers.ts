/** libp2p 3 uses `Promise.withResolvers`, which Node has since version 22. */
export const provideWithResolvers = (): void => {
  if ("withResolvers" in Promise) return
  Object.defineProperty(Promise, "withResolvers", {
    value: () => {
      let resolve: unknown
      let reject: unknown
      const promise = new Promise((onResolve, onReject) => {
        resolve = onResolve
        reject = onReject
      })
      return { promise, resolve, reject }
    }
  })
}
