/** Declares `queueMicrotask`, which every platform has but TypeScript's platform-independent library does not. */

declare const queueMicrotask: (run: () => void) => void

/** Runs a function after the current code has returned. An error that it throws is an uncaught exception. */
export const microtask = (run: () => void): void => queueMicrotask(run)
