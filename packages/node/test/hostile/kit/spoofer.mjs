/** Sends packets with forged source addresses, through a helper with a raw socket. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const helper = fileURLToPath(new URL("spoof.py", import.meta.url))
const octets = (host) => Buffer.from(host.split(".").map(Number))

/** Starts the helper. */
export const start = () => {
  const child = spawn("python3", [helper], { stdio: ["pipe", "inherit", "inherit"] })
  let bytes = 0
  return {
    /** Sends `packet` to `to` as if it came from `from`; both have a host (IPv4) and a port. */
    send: (from, to, packet) => {
      const head = Buffer.alloc(14)
      octets(from.host).copy(head)
      head.writeUInt16BE(from.port, 4)
      octets(to.host).copy(head, 6)
      head.writeUInt16BE(to.port, 10)
      head.writeUInt16BE(packet.length, 12)
      bytes += packet.length
      child.stdin.write(Buffer.concat([head, packet]))
    },
    /** How many bytes of UDP payload were sent. */
    sent: () => bytes,
    stop: () => child.stdin.end()
  }
}
