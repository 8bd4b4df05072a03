/** One end of a connection, as a trace names it. */
import type { BackingConnection } from "@qp2p/core/Transport"
import * as NetAddress from "effect/net/NetAddress"
import type { Recorder } from "./recorder.ts"
import type { Text } from "./text.ts"

/** A socket, or the address that it will have. */
export interface Local {
  readonly recorder: Recorder
  address: string
}

/** One end of a connection: records its calls and its events. */
export class End {
  private readonly local: Local
  private readonly connection: BackingConnection
  private readonly label: string
  private peer: NetAddress.InetAddress
  private peerText: string
  opened = 0
  accepted = 0
  over = false

  constructor(local: Local, connection: BackingConnection) {
    this.local = local
    this.connection = connection
    this.label = `#${local.recorder.connectionNumber(connection.seniority)}`
    this.peer = connection.remoteAddress
    this.peerText = NetAddress.formatInet(this.peer)
  }

  says(text: Text): void {
    this.add("→", text)
  }

  hears(text: Text): void {
    this.add("←", text)
  }

  /** The peer's current address, formatted once: formatting it for each line would cost more than the rest. */
  get remote(): string {
    const peer = this.connection.remoteAddress
    if (peer !== this.peer) {
      this.peer = peer
      this.peerText = NetAddress.formatInet(peer)
    }
    return this.peerText
  }

  private add(arrow: string, text: Text): void {
    const before = `${this.local.address} ${arrow} ${this.remote}  ${this.label} `
    this.local.recorder.add(typeof text === "string" ? before + text : () => before + text())
  }
}
