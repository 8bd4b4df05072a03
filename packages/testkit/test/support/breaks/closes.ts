/**
 * Broken transports for the rules about closes.
 */
import { IdleTimedOut } from "@qp2p/core/Close"
import { EndpointStopped } from "@qp2p/core/ConnectionError"
import type { RecvEvents } from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { all, type Breaks, breaking, ignore, never, telling } from "./break.ts"
import type { Changes, End, World } from "./brokenTransport.ts"

const isClose = (failure: { readonly _tag: string } | undefined) =>
  failure !== undefined && !failure._tag.startsWith("Stream")

/** Writes from within the callbacks named are lost, and reported as sent. */
const lostWithin =
  (...names: ReadonlyArray<World["inside"]>) =>
  (): Changes => ({
    send: ({ write }, { world }) => ({
      write: (bytes, fin, done) => {
        if (names.includes(world.inside)) done()
        else write(bytes, fin, done)
      }
    })
  })

/** Dials of a socket that is gone fail at once. */
const impatient = (): Changes => ({
  bind: (real) =>
    Effect.fnUntraced(function* (options, events) {
      let stopped = false
      const { address, dial } = yield* real(options, events)
      yield* Effect.addFinalizer(() => Effect.sync(() => (stopped = true)))
      return {
        address,
        dial: (peer, events) => {
          if (!stopped) return dial(peer, events)
          events.onFailed(new EndpointStopped())
          return ignore
        }
      }
    })
})

/** Closing a connection that is over reports its end once more. */
const again = (): Changes => {
  const over = new Map<End, () => void>()
  return {
    connectionEvents: ({ onClosed }, end) => ({
      onClosed: (close) => {
        over.set(end, () => onClosed(close))
        onClosed(close)
      }
    }),
    connection: ({ close }, end) => ({
      close: (code, reason) => {
        close(code, reason)
        over.get(end)?.()
      }
    })
  }
}

/** Close ends the streams that it finds from within the call. */
const hasty = (): Changes => {
  const open = new Map<End, Array<RecvEvents>>()
  return {
    recvEvents: (real, end) => {
      open.set(end, [...(open.get(end) ?? []), real])
      return {}
    },
    connection: ({ close }, end) => ({
      close: (code, reason) => {
        close(code, reason)
        for (const { onEnd } of open.get(end) ?? []) onEnd(new IdleTimedOut())
      }
    })
  }
}

export const closes: Breaks = {
  ...all(
    [0, 42, Number.MAX_SAFE_INTEGER].map(
      (code) => `close with code ${code} tells the peer code and reason, and this side that it was closed locally`
    ),
    breaking("the reason is lost", /deeply equal/u, () => ({
      connection: ({ close }) => ({ close: (code) => close(code, "") })
    }))
  ),
  "the accepting side may close, too": breaking("it may not", never("the peer hears of the close"), () => ({
    connection: (_, { dialled }) => (dialled ? {} : { close: ignore })
  })),
  "when both sides close at once, each hears of one end": breaking("each hears of two", /onClosed twice/u, () => ({
    connectionEvents: ({ onClosed }) => ({
      onClosed: (close) => {
        onClosed(close)
        onClosed(close)
      }
    })
  })),
  "a close ends the streams and writes of both sides with its reason, and then the connection": breaking(
    "streams are forgotten",
    /onClosed before onEnd/u,
    telling(({ onEnd }) => ({
      onEnd: (failure) => {
        if (!isClose(failure)) onEnd(failure)
      }
    }))
  ),
  "all data that arrived before a close is offered before it, also to receivers that pause": breaking(
    "receivers that pause are passed over",
    /deeply equal/u,
    telling(({ demand, onData }) => {
      let paused = false
      return {
        onData: (chunk) => {
          if (paused || demand?.() === 0) return false
          paused = !onData(chunk)
          return !paused
        }
      }
    })
  ),
  "a connection that is over is silent, and calls on it do nothing": breaking(
    "closing it again ends it again",
    /onClosed twice/u,
    again
  ),
  "closing the scope closes every connection before it is done, and tells the peers": breaking(
    "peers find out by themselves",
    /expected \+0 to be at least/u,
    () => ({
      connectionEvents: ({ onClosed }) => ({
        onClosed: (close) => onClosed(close._tag === "ApplicationClosed" ? new IdleTimedOut() : close)
      })
    })
  ),
  ...all(
    [
      "an unused connection ends with IdleTimedOut on both sides, and so do its streams",
      "the smaller idle timeout counts for both sides: that of the dialling one",
      "the smaller idle timeout counts for both sides: that of the accepting one"
    ],
    breaking("idle timeouts are a minute long", never("both ends are over"), () => ({
      options: () => ({ idleTimeout: Duration.seconds(60) })
    }))
  ),
  ...all(
    ["dialling", "accepting"].flatMap((side) => [
      `keep-alive of the ${side} side keeps an unused connection open`,
      `keep-alive follows the smaller idle timeout, though it is that of the ${side} side, which sends no pings`
    ]),
    breaking("nothing is kept alive", /deeply equal/u, () => ({
      options: () => ({ keepAliveInterval: Duration.infinity })
    }))
  ),
  "a connection that is told to time out ends with IdleTimedOut, and so do its streams": breaking(
    "it is closed",
    /deeply equal/u,
    () => ({ connection: ({ close }) => ({ timeOut: () => close(0, "") }) })
  ),
  "a peer that answers is not told to be silent, though its application takes its time": breaking(
    "it is told when no receiver reads",
    /deeply equal/u,
    () => ({
      connection: ({ openBi }, end) => ({
        openBi: (priority, events) => {
          queueMicrotask(() => end.events?.onUnresponsive?.())
          return openBi(priority, events)
        }
      })
    })
  ),
  "asking for a sign of life does no harm to a connection that lives": breaking(
    "it ends the connection",
    /deeply equal/u,
    () => ({ connection: ({ close }) => ({ checkAlive: () => close(0, "") }) })
  ),

  "dial reports nothing from within the call, whether it can succeed or not": breaking(
    "what cannot be dialled is told at once",
    /told from within dial to port 0/u,
    () => ({
      socket: ({ dial }) => ({
        dial: (peer, events) => {
          if (peer.port > 0) return dial(peer, events)
          events.onFailed(new EndpointStopped())
          return ignore
        }
      })
    })
  ),
  "a dial that cannot succeed, given up at once, reports nothing": breaking("it reports why", /deeply equal/u, () => ({
    socket: ({ dial }) => ({
      dial: (peer, events) => {
        dial(peer, events)
        return ignore
      }
    })
  })),
  "dial after the scope has closed reports nothing from within the call": breaking(
    "it reports at once",
    /told from within dial/u,
    impatient
  ),
  "close reports nothing from within the call": breaking("it ends streams at once", /told from within close/u, hasty),
  "openUni, openBi, write and setPriority report nothing from within the call": breaking(
    "openBi offers nothing at once",
    /told from within openBi/u,
    () => ({
      connection: ({ openBi }) => ({
        openBi: (priority, events) => {
          events.onData(new Uint8Array(0))
          return openBi(priority, events)
        }
      })
    })
  ),
  "resume and stop report nothing from within the call": breaking(
    "resume offers nothing at once",
    /told from within resume/u,
    () => ({
      receive: (real, events) => ({
        resume: () => {
          events().onData(new Uint8Array(0))
          real.resume()
        }
      })
    })
  ),
  "reset reports nothing from within the call": breaking(
    "one before anything was written ends the answer at once",
    /told from within reset before/u,
    () => ({
      both: ({ send }, { onEnd }) => {
        let written = false
        return {
          send: {
            write: (bytes, fin, done) => {
              written = true
              send.write(bytes, fin, done)
            },
            reset: (code) => {
              send.reset(code)
              if (!written) onEnd(new IdleTimedOut())
            }
          }
        }
      }
    })
  ),
  "done may write again": breaking("such a write is lost", never("the stream ends"), lostWithin("done")),
  "onConnected and onConnection may open streams and write": breaking(
    "such a write is lost",
    never("both streams arrive"),
    lostWithin("onConnected", "onConnection")
  ),
  "onConnection may close": breaking("such a close is lost", never("both know"), () => ({
    connection: ({ close }, { world }) => ({
      close: (code, reason) => {
        if (world.inside !== "onConnection") close(code, reason)
      }
    })
  })),
  "onStream may stop the stream and reset its answer, and nothing more is heard of it": breaking(
    "such a stop is lost",
    /expected 1 to equal \+?0|never happened/u,
    () => ({
      receive: ({ stop }, _, { world }) => ({
        stop: (code) => {
          if (world.inside !== "onStream") stop(code)
        }
      })
    })
  ),
  "onData and onEnd may answer on the same stream and on others": breaking(
    "such an answer is lost",
    never("the answer ends"),
    lostWithin("onData", "onEnd")
  ),
  "onData may close the connection, and nothing more arrives": breaking(
    "such a close is lost",
    never("the closer hears of it"),
    () => ({
      connection: ({ close }, { world }) => ({
        close: (code, reason) => {
          if (world.inside !== "onData") close(code, reason)
        }
      })
    })
  ),
  "onClosed and onFailed may dial again": breaking("such a dial is lost", never("it is dialled again|a dial"), () => ({
    socket: ({ dial }, world) => ({
      dial: (peer, events) => (world.inside === "onClosed" || world.inside === "onFailed" ? ignore : dial(peer, events))
    })
  }))
}
