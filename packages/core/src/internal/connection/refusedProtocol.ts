/**
 * Refuses a stream of a protocol.
 */
import { constVoid } from "effect/Function"
import * as ErrorCode from "../../ErrorCode.ts"
import type { ProtocolRefused } from "../../ProtocolError.ts"
import type { BackingRecvStream, BackingSendStream, RecvEvents } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { maxDiscarded } from "./limits.ts"

/**
 * Answers with a refusal, which ends the returning half. What the peer still sends is discarded: most peers end the stream when the
 * refusal arrives.
 */
export const refuseProtocol = (
  receive: BackingRecvStream,
  send: BackingSendStream,
  outcome: ProtocolRefused["kind"]
): RecvEvents => {
  let mayDiscard = maxDiscarded
  send.write(WireMessage.encode({ _tag: "ProtocolOpenResp", outcome }), true, constVoid)
  return {
    onData: (chunk) => {
      mayDiscard -= chunk.length
      if (mayDiscard >= 0) return true
      mayDiscard = Infinity
      receive.stop(ErrorCode.protocolRefused)
      return true
    },
    onEnd: constVoid
  }
}
