/**
 * The errors of protocols.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { InvalidArgument } from "./InvalidArgument.ts"
import { PeerId, short } from "./PeerId.ts"

/**
 * The peer refused a stream of a protocol. `kind` says why: "NotServed" when nothing there serves the name, "TooManyStreams" when
 * the streams of the protocol, or of this endpoint, or of its IP address are as many as the peer allows. The peer's other streams
 * and its messages go on. The peer has passed nothing of the stream to a handler.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ProtocolRefused extends Schema.TaggedError<ProtocolRefused>("@qp2p/core/ProtocolError/ProtocolRefused")(
  "ProtocolRefused",
  { peer: PeerId, protocol: Schema.String, kind: Schema.Literals(["NotServed", "TooManyStreams"]) }
) {
  override get message() {
    const protocol = JSON.stringify(this.protocol)
    return this.kind === "NotServed"
      ? `${short(this.peer)} does not serve the protocol ${protocol}`
      : `${short(this.peer)} takes no more streams of the protocol ${protocol}`
  }
}

/**
 * This endpoint cannot serve the protocol. Without `reason`, it serves the name already. With `reason`, an argument is wrong: the name
 * is not 1 to 255 bytes of UTF-8, or an option is out of range.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ProtocolTaken extends Schema.TaggedError<ProtocolTaken>("@qp2p/core/ProtocolError/ProtocolTaken")(
  "ProtocolTaken",
  { protocol: Schema.String, reason: Schema.optional(InvalidArgument) }
) {
  override get message() {
    const protocol = JSON.stringify(this.protocol)
    return this.reason === undefined
      ? `the endpoint already serves the protocol ${protocol}`
      : `the endpoint cannot serve the protocol ${protocol}: ${this.reason.message}`
  }
}
