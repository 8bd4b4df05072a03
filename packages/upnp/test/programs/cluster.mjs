// Workers of node:cluster that each open the sockets of a search and of a conversation with a router, and tell their ports.
// It imports what is built, past the package's exports.
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import cluster from "node:cluster"
import { Socket } from "node:dgram"
import { once } from "node:events"
import * as exclusivePort from "../../dist/internal/exclusivePort.js"
import { withClient } from "../../dist/internal/upnp/client.js"

const peer = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:9")

const worker = Effect.gen(function* () {
  const socket = yield* exclusivePort.connect({ local: NetAddress.ipv4Loopback, peer, receiveQueue: 1 })
  const reader = yield* socket.reader
  yield* withClient((client) =>
    Effect.gen(function* () {
      yield* Effect.callback((resume) => {
        const bound = () => (client.ssdp._bound ? resume(Effect.void) : setImmediate(bound))
        bound()
      })
      // nat-upnp puts a property of its own over the method.
      const searching = client.ssdp.sockets.map((it) => Socket.prototype.address.call(it).port)
      process.send({ searching, conversing: reader.address.port })
      // Both workers have theirs at the same time.
      yield* Effect.callback((resume) => void process.once("message", () => resume(Effect.void)))
    })
  )
  process.disconnect()
}).pipe(Effect.scoped)

if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork()]
  const [one, two] = await Promise.all(workers.map(async (it) => (await once(it, "message"))[0]))
  for (const it of workers) it.send("end")
  await Promise.all(workers.map((it) => once(it, "exit")))
  console.log(
    one.conversing === two.conversing ? "they share the port of a conversation" : "conversations have their own"
  )
  const shared = one.searching.filter((port) => two.searching.includes(port))
  console.log(
    shared.length > 0 || one.searching.length === 0 ? "they share the port of a search" : "searches have their own"
  )
} else await Effect.runPromise(worker)
