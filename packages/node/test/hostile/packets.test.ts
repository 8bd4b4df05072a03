import { describe, it } from "vitest"
import { attacked } from "./measure/attacked.ts"

describe("the node takes, from a peer whose handshake is complete,", () => {
  it("a flood of PATH_CHALLENGE frames", () => attacked("PATH_CHALLENGE flood"))
  it("NEW_CONNECTION_ID frames that retire the id before", () =>
    attacked("NEW_CONNECTION_ID that retires the one before"))
  it("a flood of RESET_STREAM frames", () => attacked("RESET_STREAM flood"))
  it("a flood of STOP_SENDING frames", () => attacked("STOP_SENDING flood"))
  it("a flood of STREAM_DATA_BLOCKED frames", () => attacked("STREAM_DATA_BLOCKED flood"))
  it("60,000 PING frames in each datagram", () => attacked("PING, 60,000 in each datagram"))
  it("60,000 bytes of PADDING in each datagram", () => attacked("PADDING, 60,000 bytes in each datagram"))
  it("acknowledgements with 600 ranges", () => attacked("ACK of every second number"))
  it("invented acknowledgements", () => attacked("invented acknowledgements"))
  it("one packet, again and again", () => attacked("one packet, again and again"))
  it("packets that fail authentication", () => attacked("packets that fail authentication"))
  it("datagrams of stale packets", () => attacked("datagrams of 28 stale packets"))
  it("packet numbers with holes", () => attacked("packet numbers with holes"))
  it("packets for a connection that it has closed", () => attacked("packets for a closed connection"))
})

describe("the node takes, from a stranger,", () => {
  it("packets of unknown versions", () => attacked("unknown versions"))
})
