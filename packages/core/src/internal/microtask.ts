/** Microtasks, which every JavaScript platform has, although no standard library of types without a platform says so. */

declare const queueMicrotask: (run: () => void) => void

/** Runs a function as soon as the code that is running has returned. What it throws is an uncaught exception. */
export const microtask = (run: () => void): void => queueMicrotask(run)
