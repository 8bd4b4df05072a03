import type { Counts } from "../contender.ts"

/** What the application of a listener was handed. */
export class Counter {
  private messages = 0
  private bytes = 0

  readonly counts = (): Counts => ({ messages: this.messages, bytes: this.bytes })

  take(length: number): void {
    this.messages += 1
    this.bytes += length
  }
}

/** The bytes of a message. Their values do not matter, but no two neighbours are equal. */
export const payloadOf = (size: number): Uint8Array => {
  const payload = new Uint8Array(size)
  for (let i = 0; i < size; i++) payload[i] = i * 31
  return payload
}

/** Fails where a peer answers with something else than it was asked. */
export const checkAnswer = (answer: Uint8Array, question: Uint8Array): void => {
  if (answer.length !== question.length || answer[answer.length - 1] !== question[question.length - 1]) {
    throw new Error(`${answer.length} bytes came as the answer to ${question.length}`)
  }
}

/** Calls `ask` once after the other, and says how long each took, in milliseconds. */
export const timed = async (count: number, ask: () => Promise<void>): Promise<Float64Array> => {
  const times = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const begin = performance.now()
    await ask()
    times[i] = performance.now() - begin
  }
  return times
}
