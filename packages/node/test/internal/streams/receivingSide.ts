/**
 * The receiving side of a connection on a binding that has what a test says.
 */
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { Incoming } from "../../../src/internal/streams/incoming.ts"
import { SendStream } from "../../../src/internal/streams/sendStream.ts"
import { StopCodes } from "../../../src/internal/streams/stopCodes.ts"
import type { StreamFailure } from "@qp2p/core/Transport"
import { Peer } from "../../support/quicSockets.ts"
import { HeldData } from "../../../src/internal/streams/heldData.ts"

/** The receiving side of a connection whose binding has `arrived`: bytes by stream id, and whether that is all. */
export const setup = () => {
  const arrived = new Map<number, { bytes: number; fin: boolean; resetWith?: number }>()
  const shutDown: Array<readonly [id: number, code: number]> = []
  const finished = new Set<number>()
  let turns = 0
  let lists = 0
  let asked = 0
  let over: StreamFailure | undefined
  let shutdownFails = false
  let closing = false
  const native = {
    isReadable: () => arrived.size > 0,
    readable: () => {
      lists += 1
      return [...arrived.keys()]
    },
    streamReadable: (id: number) => {
      asked += 1
      return arrived.has(id)
    },
    streamRecv: (id: number, room: Uint8Array): [number, boolean] | null => {
      const it = arrived.get(id)
      if (it === undefined) return null
      if (it.resetWith !== undefined) throw new Error(`StreamReset(${it.resetWith})`)
      const length = Math.min(it.bytes, room.length)
      it.bytes -= length
      if (it.bytes > 0) return [length, false]
      arrived.delete(id)
      return [length, it.fin]
    },
    streamShutdown: (id: number, _direction: number, code: number) => {
      if (shutdownFails) throw new Error(`InvalidStreamState(${id})`)
      shutDown.push([id, code])
    },
    streamFinished: (id: number) => finished.has(id)
  } as unknown as NativeConnection
  const peer = new Peer(undefined as never)
  const send = () =>
    new SendStream(
      {
        native,
        stopCodes: new StopCodes(),
        enqueue: () => {},
        onAnswers: () => {},
        onReset: () => {},
        reprioritize: () => {}
      },
      true,
      0
    )
  /** What the budget was told of. */
  const told = { read: 0, willDrop: 0, resets: 0 }
  const budget = {
    read: (bytes: number) => void (told.read += bytes),
    willDrop: (bytes: number) => void (told.willDrop += bytes),
    wasReset: () => void (told.resets += 1)
  }
  const held = new HeldData(false)
  const incoming = new Incoming({
    native,
    dialled: false,
    schedule: () => (turns += 1),
    isClosing: () => closing,
    failure: () => over,
    events: () => peer,
    acceptSend: (id) => {
      const half = send()
      half.assignId(id, 0, true)
      return half
    },
    budget,
    frames: { held },
    scratch: new Uint8Array(1_000)
  })
  return {
    arrived,
    held,
    finished,
    incoming,
    lists: () => lists,
    asked: () => asked,
    peer,
    send,
    shutDown,
    told,
    turns: () => turns,
    /** As when the owner closes the connection. */
    close: () => {
      closing = true
    },
    end: (failure: StreamFailure) => {
      over = failure
    },
    failShutdown: () => (shutdownFails = true)
  }
}
