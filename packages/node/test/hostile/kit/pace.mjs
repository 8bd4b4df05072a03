/** How fast an attack goes. */

/** Milliseconds between two bursts. */
const tick = 5

export const sleep = (millis) => new Promise((resolve) => void setTimeout(resolve, millis))

/** Calls `act` about `rate` times a second, for `seconds`, with 0, 1, 2 and so on. Resolves to the number of calls. */
export const paced = async (seconds, rate, act) => {
  const began = performance.now()
  let done = 0
  for (let now = 0; now < seconds; now = (performance.now() - began) / 1_000) {
    const due = Math.min(now * rate, done + rate / 10)
    while (done < due) await act(done++)
    await sleep(tick)
  }
  return done
}
