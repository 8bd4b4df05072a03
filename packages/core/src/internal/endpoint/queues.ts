/**
 * The queues between the connections of an endpoint and its application.
 */
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { IncomingMessage } from "../../IncomingMessage.ts"
import type { IncomingStream } from "../../IncomingStream.ts"
import type { ConnectionImpl } from "../connection/connection.ts"
import { DatagramInbox } from "../datagramInbox.ts"
import { FairInbox } from "../fairInbox.ts"
import { Inbox } from "../inbox.ts"
import * as header from "../wire/header.ts"
import { Disconnections } from "./disconnections.ts"

/** The share of `messageBufferBytes` that datagrams may take besides. */
const datagramShare = 1 / 16

/** The queues of one endpoint. Peers share those of messages, streams and datagrams fairly. */
export class Queues {
  readonly messages: FairInbox<IncomingMessage>
  /** The queue of streams for the application; always empty when the endpoint reads messages. */
  readonly incomingStreams: FairInbox<IncomingStream>
  /** The same, or undefined when the endpoint reads messages. */
  readonly streams: FairInbox<IncomingStream> | undefined
  readonly datagrams: DatagramInbox
  readonly incoming: Inbox<ConnectionImpl>
  readonly disconnections: Disconnections

  constructor(options: {
    readonly config: EndpointConfig
    /** Whether the application reads the streams that peers open. If false, the endpoint reads them as messages. */
    readonly readsStreams: boolean
    readonly warn: (warning: string) => void
  }) {
    const { messageBuffer: capacity, messageBufferBytes: byteCapacity } = options.config
    this.messages = new FairInbox({ capacity, byteCapacity, sizeOf: (message) => message.payload.length })
    // Only the header of a waiting stream has been read.
    this.incomingStreams = new FairInbox({ capacity, byteCapacity, sizeOf: () => header.length })
    this.streams = options.readsStreams ? this.incomingStreams : undefined
    this.datagrams = new DatagramInbox({ capacity, byteCapacity: byteCapacity * datagramShare })
    this.incoming = new Inbox({ capacity })
    this.disconnections = new Disconnections(capacity, options.warn)
  }

  /**
   * Whether the application keeps up with what comes from peers, so that it may get another inbound connection. `ip` is the name
   * under which the peer's IP address counts, and `others` the number of connections that have a place reserved.
   */
  canAccept(ip: string, others: number): boolean {
    return (
      this.disconnections.hasRoom &&
      this.makeRoom(others) &&
      // An application that reads streams takes no messages; those that wait end with their connections.
      !this.messages.isOverrunBy(ip) &&
      this.streams?.isOverrunBy(ip) !== true
    )
  }

  /**
   * Makes room for another connection in the application's queue, after `others`. Returns false when there is none. In a full
   * queue, a connection that has ended gives up its place: the application gets its disconnection.
   */
  private makeRoom(others: number): boolean {
    if (this.incoming.hasRoomAfter(others)) return true
    const ended = this.incoming.find((connection) => !connection.isOpen)
    if (ended !== undefined) this.incoming.remove(ended)
    return ended !== undefined || !this.incoming.everTaken
  }

  /** Ends the queues. Queued items can still be taken. */
  end(): void {
    this.messages.end()
    this.incoming.end()
    this.incomingStreams.end()
    this.datagrams.end()
    this.disconnections.inbox.end()
  }
}
