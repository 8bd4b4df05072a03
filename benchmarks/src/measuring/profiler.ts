/** What a process spends its time on, found out by looking at its stack many times a second. */
import { writeFileSync } from "node:fs"
import { Session } from "node:inspector"

/** Microseconds between two looks: short enough for a message's parts, long enough to be no part itself. */
const interval = 250

/** Begins to look when it is made. */
export class Profiler {
  private readonly session = new Session()

  constructor() {
    this.session.connect()
    this.session.post("Profiler.enable")
    this.session.post("Profiler.setSamplingInterval", { interval })
    this.session.post("Profiler.start")
  }

  /** Stops looking, and writes what was seen as Chrome's developer tools read it; done when it returns. */
  write(file: string): void {
    // A session with the own process answers before it returns.
    this.session.post("Profiler.stop", (error, answer) => {
      if (error === null) writeFileSync(file, JSON.stringify(answer.profile))
    })
    this.session.disconnect()
  }
}
