/**
 * Makes the application's handles of streams that end when the application abandons them.
 */
import type { RecvStream } from "../../RecvStream.ts"
import type { SendStream } from "../../SendStream.ts"
import type { BackingSendStream } from "../../Transport.ts"
import { onAbandoned } from "./abandoned.ts"
import type { ReceiveBuffer } from "./receiveBuffer.ts"
import { RecvStreamImpl } from "./recvStream.ts"
import { finish, type SendOwner, SendStreamImpl } from "./sendStream.ts"

/** Makes the handle of a stream that was opened here. An abandoned one is finished, or it would count as open. */
export const sendHandle = (stream: BackingSendStream, owner: SendOwner): SendStream => {
  const handle = new SendStreamImpl(stream, owner)
  onAbandoned(handle, () => finish(stream))
  return handle
}

/** Makes a receiving handle. The rest of an abandoned stream is read and dropped: unread, it would keep the stream open. */
export const recvHandle = (received: ReceiveBuffer): RecvStream => {
  const receive = new RecvStreamImpl(received)
  onAbandoned(receive, () => received.drop())
  return receive
}
