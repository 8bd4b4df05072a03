/**
 * Detects abandoned handles, which the application no longer references, nor one of their effects.
 */

/** Runs `end` some time after `handle` is abandoned. `end` must not reference `handle`. */
export const onAbandoned = (handle: object, end: () => void): void => handles.register(handle, end)

const handles = new FinalizationRegistry<() => void>((end) => end())
