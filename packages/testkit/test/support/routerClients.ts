/**
 * Clients of the protocols of home routers that return every byte of the response, and how it ended.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as dgram from "node:dgram"
import * as net from "node:net"
import * as FakeRouter from "../../src/FakeRouter.ts"
import type * as Misbehaviour from "../../src/Misbehaviour.ts"

export type Router = FakeRouter.FakeRouter["Service"]

/** Real packets do not know of the test's clock. */
export const until = (what: string, condition: () => boolean): Effect.Effect<void> =>
  TestClock.withLive(
    Effect.gen(function* () {
      for (let tries = 0; tries < 2_000; tries++) {
        if (condition()) return
        yield* Effect.sleep("10 millis")
      }
      return yield* Effect.die(new Error(`in vain: ${what}`))
    })
  )

export interface Datagram {
  readonly bytes: Uint8Array
  readonly text: string
  readonly port: number
}

/** A UDP socket, what has come to it, and what the network reported of what it sent. */
export const udp = Effect.gen(function* () {
  const received: Array<Datagram> = []
  const errors: Array<string> = []
  const socket = yield* Effect.acquireRelease(
    Effect.callback<dgram.Socket>((resume) => {
      const socket = dgram.createSocket("udp4")
      socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
  )
  socket.on("message", (payload, from) => {
    const bytes = new Uint8Array(payload)
    received.push({ bytes, text: new TextDecoder().decode(bytes), port: from.port })
  })
  socket.on("error", (error: NodeJS.ErrnoException) => void errors.push(error.code ?? error.message))
  return {
    received,
    errors,
    /** With this the network reports when nobody listens there. */
    connect: (to: NetAddress.InetAddress) =>
      Effect.callback<void>((resume) => {
        socket.connect(to.port, NetAddress.formatIp(to.address), () => resume(Effect.void))
      }),
    send: (payload: Uint8Array | string, to: NetAddress.InetAddress) =>
      socket.send(payload, to.port, NetAddress.formatIp(to.address)),
    sendConnected: (payload: Uint8Array) => socket.send(payload)
  }
})

export const mSearch = (target: string) =>
  `M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ${target}\r\n\r\n`

export const gatewayDevice = (version: number) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`

/** Searches, and gives all that has come when `count` answers have. */
export const search = Effect.fnUntraced(function* (router: Router, target: string, count = 1) {
  const socket = yield* udp
  socket.send(mSearch(target), router.segment.address)
  yield* until(`${count} answers to the search`, () => socket.received.length >= count)
  return socket.received.map(({ text }) => text)
}, Effect.scoped)

export interface Exchange {
  text: string
  end: "open" | "closed" | "reset"
}

/** Sends a request on a connection of its own, and goes on reading while the scope lives. */
export const request = (router: Router, text: string): Effect.Effect<Exchange, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const exchange: Exchange = { text: "", end: "open" }
        const socket = net.connect(router.http.port, "127.0.0.1", () => socket.write(text))
        socket.setEncoding("latin1")
        socket.on("data", (chunk: string) => {
          // Of what never ends a part is enough.
          if (exchange.text.length < 1 << 20) exchange.text += chunk
        })
        socket.on("end", () => (exchange.end = "closed"))
        socket.on("error", () => (exchange.end = "reset"))
        return { exchange, socket }
      }),
      ({ socket }) => Effect.sync(() => socket.destroy())
    ),
    ({ exchange }) => exchange
  )

/** The whole answer, when the connection is over. */
export const complete = Effect.fnUntraced(function* (router: Router, text: string) {
  const exchange = yield* request(router, text)
  yield* until("the connection is over", () => exchange.end !== "open")
  return exchange
}, Effect.scoped)

export const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: router\r\n\r\n`

export const soap = (
  path: string,
  action: string,
  given: Readonly<Record<string, string | number>> = {},
  service = "urn:schemas-upnp-org:service:WANIPConnection:1"
) => {
  const content = Object.entries(given).map(([name, value]) => `<${name}>${value}</${name}>`)
  const body = `<s:Envelope><s:Body><u:${action} xmlns:u="${service}">${content.join("")}</u:${action}></s:Body></s:Envelope>`
  return (
    `POST ${path} HTTP/1.1\r\nHost: router\r\nSOAPAction: "${service}#${action}"\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  )
}

/** Arguments of `AddPortMapping`, with those of the test among them. */
export const mapping = (given: Readonly<Record<string, string | number>> = {}) => ({
  NewRemoteHost: "",
  NewExternalPort: 5000,
  NewProtocol: "UDP",
  NewInternalPort: 4433,
  NewInternalClient: "127.0.0.1",
  NewEnabled: 1,
  NewPortMappingDescription: "a &lt;test&gt;",
  NewLeaseDuration: 120,
  ...given
})

const words = (length: number, write: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(length)
  write(new DataView(bytes.buffer))
  return bytes
}

export const natPmpAddress = Uint8Array.of(0, 0)

export const natPmpMap = (options: { readonly external?: number; readonly lifetime?: number } = {}) =>
  words(12, (view) => {
    view.setUint8(1, 1)
    view.setUint16(4, 4433)
    view.setUint16(6, options.external ?? 5000)
    view.setUint32(8, options.lifetime ?? 120)
  })

export interface PcpOptions {
  readonly opcode?: number
  readonly external?: number
  readonly lifetime?: number
  readonly nonce?: number
  readonly client?: string
  readonly protocol?: number
}

export const pcpMap = (options: PcpOptions = {}) => {
  const client = NetAddress.ipFromStringUnsafe(`::ffff:${options.client ?? "127.0.0.1"}`)
  const bytes = words(60, (view) => {
    view.setUint8(0, 2)
    view.setUint8(1, options.opcode ?? 1)
    view.setUint32(4, options.lifetime ?? 120)
    view.setUint8(24, options.nonce ?? 1)
    view.setUint8(36, options.protocol ?? 17)
    view.setUint16(40, 4433)
    view.setUint16(42, options.external ?? 5000)
  })
  if (NetAddress.isIpv6Address(client)) bytes.set(NetAddress.ipv6ToOctets(client), 8)
  return bytes
}

/** The first answer to a datagram. */
export const ask = Effect.fnUntraced(function* (router: Router, payload: Uint8Array) {
  const socket = yield* udp
  socket.send(payload, router.natPmp)
  yield* until("an answer", () => socket.received.length > 0)
  const [{ bytes, port }] = socket.received as [Datagram]
  return { bytes, port, view: new DataView(bytes.buffer) }
}, Effect.scoped)

/** The header of an answer in NAT-PMP. */
export const natPmp = ({ bytes, view }: { readonly bytes: Uint8Array; readonly view: DataView }) => ({
  version: bytes[0],
  opcode: bytes[1],
  code: view.getUint16(2),
  epoch: view.getUint32(4)
})

/** The header of an answer in PCP. */
export const pcp = ({ bytes, view }: { readonly bytes: Uint8Array; readonly view: DataView }) => ({
  version: bytes[0],
  opcode: bytes[1],
  code: bytes[3],
  lifetime: view.getUint32(4),
  epoch: view.getUint32(8)
})

/** A router that misbehaves from the start. */
export const told = Effect.fnUntraced(function* (...all: ReadonlyArray<Misbehaviour.Misbehaviour>) {
  const router = yield* FakeRouter.make()
  yield* Effect.forEach(all, (each) => router.misbehave(each))
  return router
})

export const ports = (router: Router) => Effect.map(router.mappings, (all) => all.map(({ external }) => external.port))

/** The mappings of a router, with the seconds that are left. */
export const mappings = (router: Router) =>
  Effect.map(router.mappings, (all) =>
    all.map(
      ({ by, external, internal, left, transport }) =>
        `${by} ${transport} ${internal} ${external} ${Math.ceil(Duration.toSeconds(left))}`
    )
  )

/** What a router was asked, in order. */
export const names = (router: Router) =>
  Effect.map(router.requests, (all) => all.map(({ name, protocol }) => `${protocol} ${name}`))
