/**
 * Which procedures go on shared streams. A procedure gets a stream for each call until an answer has shown that its answers are
 * short: then its calls share streams. An answer that is long, or that comes in parts, takes it back.
 */
import * as limits from "../limits.ts"

/** The procedures whose latest answer was short, by their tags. */
export class FitTags {
  private readonly tags = new Set<string>()

  /** Whether calls of this procedure may share a stream. */
  has(tag: string): boolean {
    return this.tags.has(tag)
  }

  /** Takes note of an answer. */
  note(tag: string, isShort: boolean): void {
    if (!isShort) this.tags.delete(tag)
    else if (this.tags.size < limits.rememberedTags) this.tags.add(tag)
  }
}
