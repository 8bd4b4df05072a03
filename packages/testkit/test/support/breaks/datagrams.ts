/**
 * Broken transports for the rules about datagrams.
 */
import { type Breaks, breaking } from "./break.ts"

/** What breaks each rule about datagrams, by its title. */
export const datagrams: Breaks = {
  "datagrams of any size that the connection carries arrive as they were, in both directions": breaking(
    "the last byte of long datagrams is lost",
    /the bytes differ/u,
    () => ({
      connectionEvents: ({ onDatagram }) => ({
        onDatagram: (datagram) => onDatagram!(datagram.length > 1 ? datagram.fill(0, -1) : datagram)
      })
    })
  ),
  "a datagram arrives once at most, and its bytes are its owner's": breaking(
    "datagrams arrive twice",
    /arrived twice/u,
    () => ({
      connectionEvents: ({ onDatagram }) => ({
        onDatagram: (datagram) => {
          onDatagram!(datagram)
          onDatagram!(datagram)
        }
      })
    })
  ),
  "a datagram that is larger than the connection carries is dropped": breaking(
    "it is cut",
    /expected true to be false/u,
    () => ({
      connection: ({ sendDatagram }, { real }) => ({
        sendDatagram: (datagram) => sendDatagram!(datagram.subarray(0, real.maxDatagramSize))
      })
    })
  ),
  "the datagrams that wait to leave are bounded, and hold no stream back": breaking(
    "all of them are taken",
    /as many as it is given/u,
    () => ({
      connection: ({ sendDatagram }) => ({
        sendDatagram: (datagram) => {
          sendDatagram!(datagram)
          return true
        }
      })
    })
  ),
  "a connection that has ended takes no datagram and hands on none": breaking(
    "the last one comes late",
    /onDatagram after onClosed/u,
    () => ({
      connectionEvents: ({ onClosed, onDatagram }) => ({
        onClosed: (close) => {
          onClosed(close)
          onDatagram!(new Uint8Array(1))
        }
      })
    })
  )
}
