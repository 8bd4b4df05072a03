/** Streams that record the calls and the events of the streams they wrap. */
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "@qp2p/core/Transport"
import type { End } from "./end.ts"
import { Frames, type Text } from "./text.ts"

const prefixed = (name: string, text: Text, after: string): Text =>
  typeof text === "string" ? `${name} ${text}${after}` : () => `${name} ${text()}${after}`

/** The sending half of a stream: records the owner's calls and what became of them. */
export const sendStream = (stream: BackingSendStream, end: End, name: string): BackingSendStream => {
  const frames = new Frames()
  let over = false

  const noteWrite = (bytes: Uint8Array, fin: boolean) => {
    const texts = frames.read(bytes)
    const ending = fin ? `fin${frames.rest}` : ""
    const last = texts.pop()
    for (const text of texts) end.says(prefixed(name, text, ""))
    if (last !== undefined) end.says(prefixed(name, last, fin ? `, ${ending}` : ""))
    else if (fin) end.says(`${name} ${ending}`)
  }

  const listening = (fin: boolean, done: (failure?: StreamFailure) => void) => {
    // Pending writes fail together, which is recorded once; each later write is recorded on its own.
    const late = over
    return (failure?: StreamFailure) => {
      if (failure !== undefined) {
        if (late || !over) end.hears(`${name} failed: ${failure.message}`)
        over = true
      } else if (fin) {
        end.hears(`${name} acknowledged`)
        over = true
      }
      done(failure)
    }
  }

  return {
    write: (bytes, fin, done) => {
      const heard = listening(fin, done)
      noteWrite(bytes, fin)
      stream.write(bytes, fin, heard)
    },
    ...(stream.writeWhole === undefined
      ? undefined
      : {
          writeWhole: (content, done) =>
            stream.writeWhole!(
              (most) => {
                const whole = content(most)
                noteWrite(whole.bytes, true)
                return whole
              },
              listening(true, done)
            )
        }),
    onStopped: (stopped) => stream.onStopped(stopped),
    setPriority: (priority) => {
      end.says(`${name} priority ${priority}`)
      stream.setPriority(priority)
    },
    reset: (code) => {
      if (!over) end.says(`${name} reset with code ${code}`)
      over = true
      stream.reset(code)
    }
  }
}

/** The receiving half of a stream: records the owner's calls and the transport's events. */
export const recvStream = (end: End, name: string) => {
  const frames = new Frames()
  let paused = false
  let over = false

  const pauseUnless = (goesOn: boolean) => {
    if (goesOn || paused || over) return
    paused = true
    end.says(`${name} paused`)
  }

  const controls = (stream: BackingRecvStream): BackingRecvStream => ({
    resume: () => {
      if (paused && !over) end.says(`${name} resumed`)
      paused = false
      stream.resume()
    },
    stop: (code) => {
      if (!over) end.says(`${name} stop with code ${code}`)
      over = true
      stream.stop(code)
    }
  })

  const listening = (events: RecvEvents): RecvEvents => {
    const demand = () => {
      const wanted = events.demand?.() ?? Infinity
      pauseUnless(wanted > 0)
      return wanted
    }
    return {
      // The owner may add or remove its `demand`.
      get demand() {
        return events.demand === undefined ? undefined : demand
      },
      onData: (chunk) => {
        for (const text of frames.read(chunk)) end.hears(prefixed(name, text, ""))
        const goesOn = events.onData(chunk)
        pauseUnless(goesOn)
        return goesOn
      },
      onEnd: (failure) => {
        over = true
        end.hears(`${name} ${failure === undefined ? "fin" : `failed: ${failure.message}`}${frames.rest}`)
        events.onEnd(failure)
      }
    }
  }

  return { controls, listening }
}
