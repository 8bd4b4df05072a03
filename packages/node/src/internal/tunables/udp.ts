/** Tunables of the system's UDP sockets. */

/** For how many link-local hosts the driver remembers the number of the zone. */
export const maxNeighbours = 1_024

/** The size to ask for of the kernel's socket buffers, in bytes; where the system refuses it, the driver asks for less. */
export const kernelBuffer = 4 << 20

/** The minimum size to ask for of a kernel's socket buffer, in bytes. */
export const minKernelBuffer = 64 << 10

/** After how many errors in a row, with no datagram received, a socket counts as broken. */
export const maxReadErrors = 64
