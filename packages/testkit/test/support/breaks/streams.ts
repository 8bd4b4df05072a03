/**
 * Broken transports for the rules about streams.
 */
import { StreamClosed, StreamStopped } from "@qp2p/core/StreamError"
import type { BackingSendStream, StreamFailure } from "@qp2p/core/Transport"
import { all, type Breaks, breaking, ignore, never, receiving, sending, telling } from "./break.ts"
import type { Changes } from "./brokenTransport.ts"

const nowhere: BackingSendStream = { write: ignore, onStopped: ignore, setPriority: ignore, reset: ignore }

/** What follows the first 1,000 streams goes nowhere, and is reported as sent. */
const noCredit = (): Changes => {
  let opened = 0
  const lost: BackingSendStream = { ...nowhere, write: (_, __, done) => queueMicrotask(done) }
  return {
    connection: ({ openUni }) => ({ openUni: (priority) => (opened++ < 1_000 ? openUni(priority) : lost) }),
    both: () => (opened++ < 1_000 ? {} : { send: lost })
  }
}

/** Nothing is sent any more once `kind` has been called ten times. */
const starving = (kind: "reset" | "stop") => (): Changes => {
  let left = 10
  const count = (called: "reset" | "stop") => {
    if (called === kind) left--
  }
  return {
    receive: ({ stop }) => ({
      stop: (code) => {
        count("stop")
        stop(code)
      }
    }),
    send: ({ reset, write }) => ({
      reset: (code) => {
        count("reset")
        reset(code)
      },
      write: (bytes, fin, done) => {
        if (left > 0) write(bytes, fin, done)
      }
    })
  }
}

export const streams: Breaks = {
  "a stop is told once to who has asked for it, on either half of a stream, though nothing is being written": breaking(
    "a stop shows only in what is written",
    never("both are told"),
    sending(({ onStopped, write }) => {
      let isWritten = false
      return {
        onStopped: (stopped) => onStopped((failure) => isWritten && stopped(failure)),
        write: (bytes, fin, done) => {
          isWritten = bytes.length > 5
          write(bytes, fin, done)
        }
      }
    })
  ),
  "a stop is told soon, and not at once, to who asks for it when it has come": breaking(
    "only those are told that come later",
    never("it is told"),
    sending(({ onStopped, write }) => {
      let isOver = false
      return {
        onStopped: (stopped) => (isOver ? undefined : onStopped(stopped)),
        write: (bytes, fin, done) =>
          write(bytes, fin, (failure) => {
            isOver = failure !== undefined
            done(failure)
          })
      }
    })
  ),
  "no stop is told of streams that end otherwise": breaking(
    "a reset of one's own is told as a stop",
    /deeply equal/u,
    sending(({ onStopped, reset }) => {
      let told: ((failure: StreamStopped) => void) | undefined
      return {
        onStopped: (stopped) => {
          told = stopped
          onStopped(stopped)
        },
        reset: (code) => {
          told?.(new StreamStopped({ code }))
          reset(code)
        }
      }
    })
  ),
  ...all(
    ["dialling", "accepting"].map((side) => `the ${side} side sends on a unidirectional stream, which has no way back`),
    breaking("it has one", /to equal undefined/u, () => ({
      connectionEvents: ({ onStream }) => ({ onStream: (receive, send = nowhere) => onStream(receive, send) })
    }))
  ),
  ...all(
    ["dialling", "accepting"].map(
      (side) => `the ${side} side asks on a bidirectional stream, and each half ends on its own`
    ),
    breaking("the answer ends with the question", /deeply equal/u, () => ({
      both: ({ send }, { onEnd }) => ({
        send: {
          write: (bytes, fin, done) =>
            send.write(bytes, fin, (failure) => {
              if (fin) onEnd()
              done(failure)
            })
        }
      })
    }))
  ),
  "an answer may begin before the question ends, and the question go on after the answer has ended": breaking(
    "the question ends with the answer",
    never("the question ends"),
    () => {
      let over = false
      return {
        both: ({ send }) => ({
          send: { write: (bytes, fin, done) => (over ? done() : send.write(bytes, fin, done)) }
        }),
        recvEvents: ({ onEnd }) => ({
          onEnd: (failure) => {
            over = true
            onEnd(failure)
          }
        })
      }
    }
  ),
  "many small writes arrive in their order, and each is answered once": breaking(
    "two chunks change places",
    /the bytes differ/u,
    telling(({ onData }) => {
      let held: Uint8Array | undefined
      let count = 0
      return {
        onData: (chunk) => {
          if (count++ === 10) {
            held = chunk.slice()
            return true
          }
          const more = onData(chunk)
          if (held === undefined) return more
          const late = held
          held = undefined
          return onData(late)
        }
      }
    })
  ),
  "a write of nothing is answered, and does not end the stream": breaking(
    "it is not answered",
    never("the write is answered"),
    sending(({ write }) => ({
      write: (bytes, fin, done) => {
        if (bytes.length > 0 || fin) write(bytes, fin, done)
      }
    }))
  ),
  "a stream that carries nothing ends at the peer and is acknowledged": breaking(
    "it never leaves",
    never("the stream ends"),
    sending(({ write }) => ({
      write: (bytes, fin, done) => (bytes.length > 0 ? write(bytes, fin, done) : done())
    }))
  ),
  "an end that comes alone, after all bytes have arrived, arrives as well": breaking(
    "it is lost",
    never("the stream ends"),
    sending(({ write }) => ({
      write: (bytes, fin, done) => (bytes.length > 0 ? write(bytes, fin, done) : done())
    }))
  ),
  "messages of any size arrive as they were, and what the sender gave is left as it is": breaking(
    "one bit in 64 KiB is another",
    /the bytes differ from number 65535/u,
    telling(({ onData }) => {
      let offset = 0
      return {
        onData: (chunk) => {
          const copy = chunk.slice()
          for (let i = 0; i < copy.length; i++) if ((offset + i) % 65_536 === 65_535) copy[i]! ^= 1
          offset += chunk.length
          return onData(copy)
        }
      }
    })
  ),
  "many streams at once, of both kinds and from both sides, each arrive whole and once": breaking(
    "one in 50 carries what the one before did",
    /other messages/u,
    () => {
      let before: Uint8Array = new Uint8Array(0)
      let count = 0
      return {
        connection: ({ openUni }) => ({
          openUni: (priority) => {
            const send = openUni(priority)
            return {
              ...send,
              write: (bytes, fin, done) => {
                const sent = ++count % 50 === 0 ? before : bytes
                before = bytes
                send.write(sent, fin, done)
              }
            }
          }
        })
      }
    }
  ),
  "a question is acknowledged although it is never answered": breaking(
    "it waits for the answer",
    never("it is acknowledged"),
    () => ({ both: ({ send }) => ({ send: { write: (bytes, fin) => send.write(bytes, fin, ignore) } }) })
  ),
  "counters grow by at least what is sent, and never shrink": breaking(
    "some are counted modulo 65,536",
    /counters|at least/u,
    () => ({
      connection: ({ stats }) => ({
        stats: () => {
          const now = stats()
          return { ...now, bytesReceived: now.bytesReceived % 65_536 }
        }
      })
    })
  ),

  ...all(
    [
      "onData that answers false hears no more until resume, and nothing is lost meanwhile",
      "no chunk is longer than demand has said before it",
      "a demand of 0 leaves the bytes where they are until resume"
    ],
    breaking(
      "receivers are not asked how much they want, nor heard when they want no more",
      /for a receiver that pauses|bytes instead of|deeply equal \[ \+0, \[\] \]/u,
      telling(({ onData }) => ({
        demand: () => Infinity,
        onData: (chunk) => {
          onData(chunk)
          return true
        }
      }))
    )
  ),
  "a receiver may pause at every chunk": breaking(
    "the chunk after a pause is lost",
    /the bytes differ/u,
    telling(({ onData }) => {
      let paused = false
      return {
        onData: (chunk) => {
          paused = !paused && !onData(chunk)
          return !paused
        }
      }
    })
  ),
  "resume from within onData and onEnd, or without a pause, changes nothing": breaking(
    "it ends a stream once more",
    /onEnd twice/u,
    receiving(({ resume }, events) => {
      let again = true
      return {
        resume: () => {
          resume()
          // Its owner may resume from within.
          if (!again) return
          again = false
          events().onEnd()
        }
      }
    })
  ),
  "an unread stream makes its writer wait, and goes on when it is read": breaking(
    "there is always room",
    /bytes taken of an unread stream/u,
    sending(({ write }) => ({
      write: (bytes, fin, done) => {
        if (fin) return write(bytes, fin, done)
        write(bytes, fin, ignore)
        queueMicrotask(() => done())
      }
    }))
  ),
  "an unread stream holds back neither other streams nor other connections": breaking(
    "streams wait for those before them",
    never("another stream is acknowledged"),
    () => {
      let last = Promise.resolve()
      return {
        send: ({ write }) => ({
          write: (bytes, fin, done) => {
            const before = last
            last = new Promise((resolve) => {
              void before.then(() =>
                write(bytes, fin, (failure) => {
                  done(failure)
                  resolve()
                })
              )
            })
          }
        })
      }
    }
  ),
  "a stream is not acknowledged before the peer's transport has all of it": breaking(
    "it is when it has been queued",
    /deeply equal \[\]/u,
    sending(({ write }) => ({
      write: (bytes, fin, done) => {
        write(bytes, fin, ignore)
        done()
      }
    }))
  ),
  "what is asked for when its stream has its turn is not acknowledged before the peer's transport has all of it":
    breaking(
      "it is when it has been asked for",
      /deeply equal \[ 1, \[\] \]/u,
      sending(({ writeWhole }) => ({
        writeWhole: (bytes, done) => {
          writeWhole!(bytes, ignore)
          done()
        }
      }))
    ),
  "near unreadBuffer senders are held back and none is closed, over half of it their IP address dials in vain, and all arrives at last":
    breaking("there is no such limit", never("a dial fails"), () => ({
      options: () => ({ unreadBuffer: Number.MAX_SAFE_INTEGER })
    })),
  "what is added while a stream waits for credit goes along, and is asked for once": breaking(
    "it is asked for when it is written",
    /message 2499/u,
    sending(({ writeWhole }) => ({
      writeWhole: (bytes, done) => {
        const early = bytes(Infinity)
        writeWhole!(() => early, done)
      }
    }))
  ),
  ...all(
    ["unidirectional", "bidirectional"].map(
      (kind) => `of 2500 ${kind} streams at once, those without credit wait with their data, and all arrive`
    ),
    breaking("those without credit are lost", never("all streams end"), noCredit)
  ),

  ...all(
    [
      "one urgent message overtakes what was written before it",
      "a negative priority comes after the default one, whichever was written first"
    ],
    breaking("all are equal", /streams that should have waited/u, () => ({
      connection: ({ openUni }) => ({ openUni: () => openUni(0) })
    }))
  ),
  "a priority that is set later counts for what has not been sent": breaking(
    "it does not",
    /streams that should have waited/u,
    sending(() => ({ setPriority: ignore }))
  ),

  ...all(
    [0, 7, Number.MAX_SAFE_INTEGER].map(
      (code) => `a reset with code ${code} arrives as StreamReset with that code, and ends what was being written`
    ),
    breaking(
      "another code arrives",
      /deeply equal/u,
      sending(({ reset }) => ({ reset: (code) => reset(code === 0 ? 1 : 0) }))
    )
  ),
  ...all(
    [0, 7, Number.MAX_SAFE_INTEGER].map(
      (code) => `a stop with code ${code} arrives as StreamStopped with that code at the writer`
    ),
    breaking(
      "another code arrives",
      /include/u,
      receiving(({ stop }) => ({ stop: (code) => stop(code === 0 ? 1 : 0) }))
    )
  ),
  ...all(
    [
      "a stream that its receiver has stopped is silent",
      "a receiver that was stopped before its stream began is silent"
    ],
    breaking(
      "it is told an end",
      /onEnd twice|deeply equal/u,
      receiving(({ stop }, events) => ({
        stop: (code) => {
          stop(code)
          queueMicrotask(() => events().onEnd(new StreamClosed()))
        }
      }))
    )
  ),
  "writes after the end of a stream, a reset and a stop fail, each once": breaking(
    "they are not answered",
    never("late writes are answered"),
    sending(({ reset, write }) => {
      let over = false
      const ended = (failure?: StreamFailure) => failure !== undefined
      return {
        reset: (code) => {
          over = true
          reset(code)
        },
        write: (bytes, fin, done) => {
          if (over) return
          over = fin
          write(bytes, fin, (failure) => {
            over ||= ended(failure)
            done(failure)
          })
        }
      }
    })
  ),
  "a reset of one half of a stream leaves the other half alone": breaking(
    "it stops the other",
    never("the answer ends"),
    () => ({
      both: ({ receive, send }) => ({
        send: {
          reset: (code) => {
            send.reset(code)
            receive.stop(code)
          }
        }
      })
    })
  ),
  "a stop of one half of a stream leaves the other half alone": breaking(
    "it resets the other",
    /deeply equal/u,
    () => ({
      both: ({ receive, send }) => ({
        receive: {
          stop: (code) => {
            receive.stop(code)
            send.reset(code)
          }
        }
      })
    })
  ),
  ...all(
    [
      "a reset and a stop after everything has arrived change nothing",
      "a reset before anything was written leaves the connection as it was"
    ],
    breaking("a reset ends the connection", /never happened|deeply equal/u, () => ({
      send: ({ reset }, { real }) => ({
        reset: (code) => {
          reset(code)
          real.close(code, "reset")
        }
      })
    }))
  ),
  "what a stream is to carry is not asked for any more once the stream has failed": breaking(
    "it is asked for all the same",
    /to equal/u,
    sending(({ writeWhole }) => ({
      writeWhole: (bytes, done) =>
        writeWhole!(bytes, (failure) => {
          if (failure !== undefined) bytes(Infinity)
          done(failure)
        })
    }))
  ),
  "streams that were stopped give back what they held: others do not starve": breaking(
    "nothing more is sent after ten of them",
    never("the write fails"),
    starving("stop")
  ),
  "streams that were reset give back what they held: others do not starve": breaking(
    "nothing more is sent after ten of them",
    never("the stream begins"),
    starving("reset")
  )
}
