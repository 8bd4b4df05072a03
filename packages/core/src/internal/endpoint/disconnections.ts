/**
 * The queue of disconnections. An application that takes disconnections gets all of them. Otherwise, the queue keeps only the
 * latest.
 */
import type { Disconnection } from "../../Disconnection.ts"
import { Inbox } from "../inbox.ts"

/** The queue of disconnections. */
export class Disconnections {
  readonly inbox: Inbox<Disconnection>
  private readonly warn: (warning: string) => void
  private warned = false

  constructor(capacity: number, warn: (warning: string) => void) {
    this.inbox = new Inbox({ capacity })
    this.warn = warn
  }

  /**
   * Whether the queue has room for the end of another connection. An application that takes disconnections gets all of them,
   * so new connections are refused when it falls far behind.
   */
  get hasRoom(): boolean {
    return this.inbox.hasRoom || !this.inbox.everTaken
  }

  report(disconnection: Disconnection): void {
    if (!this.inbox.hasRoom && !this.inbox.everTaken) {
      this.inbox.dropOldest()
      if (!this.warned) {
        this.warned = true
        this.warn("the application takes no disconnections: only the latest are kept until it does")
      }
    }
    this.inbox.offer(disconnection)
  }
}
