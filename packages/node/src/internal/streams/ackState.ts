/**
 * What `Acknowledgements` keeps of a stream. It is made with the stream, and `Acknowledgements` alone changes it.
 */

/** The packet numbers and times of one stream that tell whether the peer has acknowledged its bytes and its fin. */
export class AckState {
  /** When the fin was written, in `performance.now()` milliseconds. */
  finWrittenAt = 0
  /** Whether the fin left alone while data was in flight, so that the binding may have forgotten it. */
  finMayBeForgotten = false
  /** The first packet that anything of the stream may be in; -1 until known, as for those that follow. */
  firstPacket = -1
  /** The first packet that the fin may be in. */
  finPacket = -1
  /** The last packet that anything of the stream may be in. */
  lastPacket = -1
}
