/**
 * The queue of disconnections. An application that takes them gets each; of one that does not, only the latest are kept.
 */
import type { Disconnection } from "../../Disconnection.ts"
import { Inbox } from "./inbox.ts"

export class Disconnections {
  readonly inbox: Inbox<Disconnection>
  private readonly warn: (warning: string) => void
  private warned = false

  constructor(capacity: number, warn: (warning: string) => void) {
    this.inbox = new Inbox({ capacity })
    this.warn = warn
  }

  /**
   * Whether a further connection could report its end. An application that takes disconnections gets each of them, so
   * when it falls far behind, new connections have to wait.
   */
  get hasRoom(): boolean {
    return this.inbox.hasRoom || !this.inbox.everAsked
  }

  report(disconnection: Disconnection): void {
    if (!this.inbox.hasRoom && !this.inbox.everAsked) {
      this.inbox.dropOldest()
      if (!this.warned) {
        this.warned = true
        this.warn("nobody takes disconnections: only the latest are kept until somebody does")
      }
    }
    this.inbox.offer(disconnection)
  }
}
