/**
 * Opens the streams of a connection for the application.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Connection, PriorityOptions } from "../../Connection.ts"
import type { ConnectionError } from "../../ConnectionError.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { ofValue } from "../../InvalidArgument.ts"
import type { BackingConnection } from "../../Transport.ts"
import { normalizePriority } from "../priority.ts"
import { protocolName } from "../wire/protocolName.ts"
import { recvHandle, sendHandle } from "./handles.ts"
import { openProtocol } from "./openProtocol.ts"
import type { ProtocolOwner } from "./protocolStream.ts"
import { type Reassembly, ReceiveBuffer } from "./receiveBuffer.ts"
import { invalidPriority } from "./sendArguments.ts"

/** The view of a connection. */
export interface OpeningOwner extends ProtocolOwner, Reassembly {
  /** The application is about to open something. Returns the error when it cannot. */
  readonly begin: () => ConnectionError | undefined
}

/** Makes the members of a connection that open streams. */
export const openingsOf = (
  owner: OpeningOwner,
  backing: BackingConnection
): Pick<Connection, "openUni" | "openBi" | "openProtocol"> => {
  return {
    openUni: (options) => opening(owner, options, (priority) => sendHandle(backing.openUni(priority), owner)),
    openBi: (options) =>
      opening(owner, options, (priority) => {
        const { held, maxMessageSize } = owner
        const received = new ReceiveBuffer({ maxMessageSize, owner, held, partial: owner })
        const { receive, send } = backing.openBi(priority, received)
        received.backing = receive
        return { send: sendHandle(send, owner), receive: recvHandle(received) }
      }),
    openProtocol: (name, options) =>
      Effect.flatMap(Effect.scope, (scope) => {
        const wrong = ofValue("name", name, protocolName) ?? invalidPriority(options) ?? owner.begin()
        if (wrong !== undefined) return Effect.fail(wrong)
        const stream = openProtocol(owner, backing, name, normalizePriority(options?.priority))
        const release = () => Effect.sync(() => stream.abort(ErrorCode.noError))
        return Effect.as(Scope.addFinalizerExit(scope, release), stream)
        // An interruption between the two would leave a stream that nothing ends.
      }).pipe(Effect.uninterruptible)
  }
}

/** Opens with a priority, unless the options are wrong or the connection has ended. */
const opening = <A>(
  owner: OpeningOwner,
  options: PriorityOptions | undefined,
  open: (priority: number) => A
): Effect.Effect<A, ConnectionError> =>
  Effect.suspend(() => {
    const wrong = invalidPriority(options) ?? owner.begin()
    return wrong === undefined ? Effect.succeed(open(normalizePriority(options?.priority))) : Effect.fail(wrong)
  })
