/** Floods of datagrams (RFC 9221) from a peer whose handshake is complete, at a node whose program reads none. */
import * as frames from "../kit/frames.mjs"
import { room } from "../kit/peer.mjs"
import { forge } from "./flood.mjs"

/** Packets a second: about what one core makes. */
const rate = 8_000

/** How many of the smallest datagrams a packet may have, so that the node does not close the connection for them. */
const many = 300

const flood = (payload) => ({ run: (context) => forge(context, rate, () => payload) })

const several = (count, datagram) => frames.fill(room, (i) => (i < count ? frames.datagram(datagram) : undefined))

export const attacks = {
  "datagrams as large as packets": flood(frames.datagram(Buffer.alloc(room - 3))),
  "datagrams of a byte": flood(several(many, Buffer.alloc(1))),
  "datagrams of unknown kinds": flood(several(many, Buffer.of(0x77))),
  "datagrams without bytes": flood(several(many, Buffer.alloc(0))),
  "more datagrams in each packet than any peer sends": flood(several(room, Buffer.alloc(0)))
}
