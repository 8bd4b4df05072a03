/**
 * The errors of typed messages.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { PeerId, short } from "./PeerId.ts"

/**
 * The peer refused a message or a question. `kind` says why: "Malformed" when its schema did not accept the value, "TooLarge" when the
 * value is larger than the peer takes, "NotAnswered" when its program gave no answer, "Overloaded" when this peer's values or answers
 * there are more than its share. `detail` is the peer's text for people, and may be empty.
 *
 * The peer's program has got the value only with "NotAnswered", and with "Overloaded" when the answer was too much.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class MessageRefused extends Schema.TaggedError<MessageRefused>("@qp2p/core/MessagesError/MessageRefused")(
  "MessageRefused",
  {
    peer: PeerId,
    protocol: Schema.String,
    kind: Schema.Literals(["Malformed", "TooLarge", "NotAnswered", "Overloaded"]),
    detail: Schema.String
  }
) {
  override get message() {
    const detail = this.detail === "" ? "" : `: ${this.detail}`
    return `${short(this.peer)} refused a message of ${JSON.stringify(this.protocol)} (${this.kind})${detail}`
  }
}

/**
 * A question was not answered within its timeout. The peer's program may have got it.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class AskTimedOut extends Schema.TaggedError<AskTimedOut>("@qp2p/core/MessagesError/AskTimedOut")(
  "AskTimedOut",
  { peer: Schema.String, protocol: Schema.String }
) {
  override get message() {
    return `${this.peer} did not answer a question of ${JSON.stringify(this.protocol)} within its timeout, which includes the dial`
  }
}
