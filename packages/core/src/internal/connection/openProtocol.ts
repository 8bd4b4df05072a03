/**
 * Makes streams of protocols: opens one, or accepts one that the peer has opened.
 */
import type { ProtocolRefused } from "../../ProtocolError.ts"
import type { BackingConnection, BackingRecvStream, BackingSendStream, RecvEvents } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { microtask } from "../microtask.ts"
import { LeadingSend } from "./leadingSend.ts"
import { protocolBuffer } from "./limits.ts"
import { ProtocolAnswer } from "./protocolAnswer.ts"
import { type ProtocolOwner, ProtocolStreamImpl } from "./protocolStream.ts"
import { ReceiveBuffer } from "./receiveBuffer.ts"

/** The frames with the names that were opened before: programs open the same few names again and again. */
const frames = new Map<string, Uint8Array>()
const maxFrames = 256

const frameOf = (protocol: string): Uint8Array => {
  const known = frames.get(protocol)
  if (known !== undefined) return known
  if (frames.size >= maxFrames) frames.clear()
  const frame = WireMessage.encode({ _tag: "ProtocolOpenReq", protocol })
  frames.set(protocol, frame)
  return frame
}

const accepted = WireMessage.encode({ _tag: "ProtocolOpenResp", outcome: "Accepted" })

/** Opens a stream of a protocol. Its name leaves with the bytes that are written in this turn, or without any. */
export const openProtocol = (
  owner: ProtocolOwner,
  backing: Pick<BackingConnection, "openBi">,
  protocol: string,
  priority: number
): ProtocolStreamImpl => {
  const { held, maxMessageSize } = owner
  const received = new ReceiveBuffer<ProtocolRefused>({ maxMessageSize, owner, held })
  const answer = new ProtocolAnswer(received)
  const { receive, send } = backing.openBi(priority, answer)
  received.backing = receive
  const sending = new LeadingSend(send, frameOf(protocol))
  const stream = new ProtocolStreamImpl(protocol, owner, sending, received)
  answer.owner = stream
  microtask(() => sending.flush())
  return stream
}

/** A stream of a protocol that the peer has opened. */
export interface AcceptedProtocol {
  readonly stream: ProtocolStreamImpl
  /** The handlers of the events of what the peer sends. */
  readonly received: RecvEvents
}

/** Accepts a stream of a protocol. The acceptance leaves with the first bytes of this side, or with its end. */
export const acceptProtocol = (
  owner: ProtocolOwner,
  protocol: string,
  receive: BackingRecvStream,
  send: BackingSendStream
): AcceptedProtocol => {
  const { held, maxMessageSize } = owner
  const received = new ReceiveBuffer<ProtocolRefused>({
    maxMessageSize,
    owner,
    held,
    isLazy: true,
    maxBuffered: protocolBuffer
  })
  received.backing = receive
  const sending = new LeadingSend(send, accepted)
  return { stream: new ProtocolStreamImpl(protocol, owner, sending, received), received }
}
