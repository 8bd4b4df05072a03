/**
 * The library's lower half alone: `QuicheTransport` called back by plain functions, without endpoint, pool or queues.
 * The distance from here to the whole library is what those cost.
 */
import { core, effect } from "./dependencies.mjs"
import { checkFrame, frameOf, headerLength, payloadOf } from "./workloads.mjs"

const [Duration, Effect, Exit, NetAddress, Scope] = await Promise.all(
  ["Duration", "Effect", "Exit", "net/NetAddress", "Scope"].map(effect)
)
const [QuicheTransport, { Transport }] = await Promise.all(["QuicheTransport", "Transport"].map(core))

const options = {
  localAddress: NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0"),
  accept: true,
  idleTimeout: Duration.seconds(60),
  keepAliveInterval: Duration.seconds(20),
  handshakeTimeout: Duration.seconds(10),
  stallTimeout: Duration.seconds(30),
  maxConnections: 100,
  maxConnectionsPerIp: 100,
  maxSendRate: 1e12
}

/** Collects the bytes of each stream, and hands on the message when it ends. */
const collect = (onMessage) => () => {
  const chunks = []
  let length = 0
  return {
    onData: (chunk) => {
      chunks.push(Buffer.from(chunk))
      length += chunk.length
      return true
    },
    onEnd: () => {
      const frame = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length)
      checkFrame(frame, length)
      onMessage(frame.subarray(headerLength))
    }
  }
}

const nothing = () => {}

const connect = (receive) =>
  Effect.gen(function* () {
    const transport = yield* Transport
    const server = yield* transport.bind(options, {
      onConnection: () => ({ onStream: collect(receive), onClosed: nothing })
    })
    const client = yield* transport.bind(options, {
      onConnection: () => ({ onStream: collect(nothing), onClosed: nothing })
    })
    return yield* Effect.callback((resume) => {
      client.dial(server.address, {
        onConnected: (connection) => {
          resume(Effect.succeed(connection))
          return { onStream: collect(nothing), onClosed: nothing }
        },
        onFailed: (error) => resume(Effect.die(error))
      })
    })
  })

/** `run` as in baseline.mjs. */
export const openTransport = async () => {
  let receive = nothing
  const scope = await Effect.runPromise(Scope.make())
  const connection = await Effect.runPromise(
    connect((message) => receive(message)).pipe(
      Effect.provide(QuicheTransport.layer),
      Effect.provideService(Scope.Scope, scope)
    )
  )

  const run = (workload, count) =>
    new Promise((resolve, reject) => {
      const body = payloadOf(workload.size)
      let started = 0
      let confirmed = 0
      let received = 0
      const begin = performance.now()
      receive = (message) => {
        if (message.length !== workload.size) reject(new Error(`${message.length} bytes came of ${workload.size}`))
        received++
      }
      const start = () => {
        started++
        connection.openUni(0).write(frameOf(body), true, done)
      }
      const done = (failure) => {
        if (failure !== undefined) return reject(failure)
        confirmed++
        if (started < count) return start()
        if (confirmed < count) return
        if (received !== count) return reject(new Error(`${received} received of ${count} confirmed`))
        resolve((performance.now() - begin) / 1000)
      }
      for (let i = 0; i < workload.inFlight; i++) start()
    })

  return { run, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
