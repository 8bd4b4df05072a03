/** Answers over UDP, and the ways to corrupt them. */
import type { Device } from "./device.ts"
import { answer, questionOf } from "./pmp.ts"
import type { Udp } from "./sockets.ts"

/** Longer than a header, with a version that does not exist. */
const garbage = new Uint8Array(32).fill(0x5a)

/** Answers a packet through `gateway`, or through `elsewhere` for `OtherSource`. */
export const answerDatagram = (
  router: Device,
  packet: Uint8Array,
  host: string,
  port: number,
  gateway: Udp,
  elsewhere: Udp
): void => {
  const right = answer(router, packet, host)
  if (right === undefined) return
  const question = questionOf(router, packet)
  const told = router.misbehaviours.take(
    ["SilentPort", "GarbageDatagram", "TruncatedAnswer", "WrongOpcode", "WrongVersion", "OtherSource"],
    ({ at }) => at === undefined || at === question
  )
  switch (told?._tag) {
    case undefined:
      return gateway.send(right, port)
    case "SilentPort":
      return
    case "GarbageDatagram":
      return gateway.send(garbage, port)
    case "TruncatedAnswer":
      return gateway.send(right.subarray(0, told.length), port)
    case "WrongOpcode":
      return gateway.send(
        changed(right, 1, (opcode) => opcode ^ 2),
        port
      )
    case "WrongVersion":
      return gateway.send(
        changed(right, 0, () => told.version),
        port
      )
    case "OtherSource":
      return elsewhere.send(right, port)
  }
}

const changed = (bytes: Uint8Array, index: number, change: (byte: number) => number): Uint8Array =>
  bytes.map((byte, i) => (i === index ? change(byte) : byte))
