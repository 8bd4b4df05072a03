/**
 * Noticing that the application has let go of a handle: nobody refers to it any more, nor to one of its effects.
 */

/** Runs `end` some time after that. It must not refer to `handle` itself. */
export const whenLetGo = (handle: object, end: () => void): void => handles.register(handle, end)

const handles = new FinalizationRegistry<() => void>((end) => end())
