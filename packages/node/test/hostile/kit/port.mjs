/** A UDP port of the attacker, which several connections may share. */
import * as dgram from "node:dgram"

/** Bytes of the receive buffer, as far as the system allows. */
const receiveBuffer = 4 << 20

/** Opens a port. `heard` has the bytes that arrived and that no connection took. */
export const open = (host, number = 0) =>
  new Promise((resolve, reject) => {
    const type = host.includes(":") ? "udp6" : "udp4"
    const socket = dgram.createSocket({ type, recvBufferSize: receiveBuffer })
    const connections = new Map()
    const port = {
      host,
      number: 0,
      socket,
      connections,
      heard: { packets: 0, bytes: 0 },
      send: undefined,
      close: undefined
    }
    socket.once("error", reject)
    socket.on("message", (bytes) => {
      const isLong = (bytes[0] & 0x80) !== 0
      const id = isLong ? bytes.subarray(6, 6 + bytes[5]) : bytes.subarray(1, 21)
      const connection = connections.get(id.toString("latin1"))
      if (connection === undefined) {
        port.heard.packets += 1
        port.heard.bytes += bytes.length
      } else connection.hear(bytes)
    })
    port.send = (packet, to) => socket.send(packet, to.port, to.host, () => {})
    port.close = () => socket.close()
    socket.bind(number, host, () => {
      port.number = socket.address().port
      resolve(port)
    })
  })
