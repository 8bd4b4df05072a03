/**
 * A UPnP gateway on loopback that answers what a test says.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"

export interface Reply {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** What to answer, or `"hang"` for nothing at all. */
export type Answer = Reply | "hang"

export interface Request {
  /** `description` or the name of the action. */
  readonly name: string
  readonly url: string
  readonly body: string
  readonly headers: Http.IncomingHttpHeaders
  /** When it came, in milliseconds of Effect's clock. */
  readonly time: number
}

export interface FakeGateway {
  readonly location: string
  readonly host: string
  readonly requests: ReadonlyArray<Request>
  /** Answers to one kind of request, first to last; the last one stays. */
  readonly answer: (name: string, ...answers: ReadonlyArray<Answer>) => void
  /** Resolves when `count` requests of this name have come. */
  readonly received: (name: string, count?: number) => Effect.Effect<Request>
  /** Resolves when no connection is open. */
  readonly idle: Effect.Effect<void>
}

export const description = (options?: {
  readonly service?: string
  readonly controlUrl?: string
  readonly base?: string
  /** Without another service beside it. */
  readonly isAlone?: boolean
}): string => `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0">
  ${options?.base === undefined ? "" : `<URLBase>${options.base}</URLBase>`}
  <device>
    <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
    <serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType></service></serviceList>
    <deviceList><device>
      <deviceList><device>
        <serviceList>
          ${options?.isAlone ? "" : "<service><serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType><controlURL>/ppp</controlURL></service>"}
          <service>
            <serviceType>${options?.service ?? "urn:schemas-upnp-org:service:WANIPConnection:1"}</serviceType>
            <controlURL>${options?.controlUrl ?? "/control?a=1&amp;b=2"}</controlURL>
          </service>
        </serviceList>
      </device></deviceList>
    </device></deviceList>
  </device>
</root>`

const envelope = (content: string): string =>
  `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${content}</s:Body></s:Envelope>`

export const response = (action: string, content = ""): Reply => ({
  body: envelope(
    `<u:${action}Response xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">${content}</u:${action}Response>`
  )
})

export const externalIp = (address: string): Reply =>
  response("GetExternalIPAddress", `<NewExternalIPAddress>${address}</NewExternalIPAddress>`)

export const fault = (code: number, text: string): Reply => ({
  status: 500,
  body: envelope(
    `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>` +
      `<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode>` +
      `<errorDescription>${text}</errorDescription></UPnPError></detail></s:Fault>`
  )
})

/** A gateway on 127.0.0.1 that grants everything until it is told otherwise. */
export const make: Effect.Effect<FakeGateway, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const requests: Array<Request> = []
  const sockets = new Set<Socket>()
  const listeners = new Set<() => void>()
  const changed = () => listeners.forEach((listener) => listener())
  const answers = new Map<string, Array<Answer>>([
    ["description", [{ body: description() }]],
    ["GetExternalIPAddress", [externalIp("9.8.7.6")]],
    ["AddPortMapping", [response("AddPortMapping")]],
    ["DeletePortMapping", [response("DeletePortMapping")]]
  ])

  const server = Http.createServer((incoming, outgoing) => {
    const chunks: Array<Buffer> = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const action = /#(\w+)"$/.exec(String(incoming.headers["soapaction"] ?? ""))?.[1]
      const name = incoming.url === "/description.xml" ? "description" : (action ?? String(incoming.url))
      requests.push({
        name,
        url: String(incoming.url),
        body: Buffer.concat(chunks).toString(),
        headers: incoming.headers,
        time: clock.currentTimeMillisUnsafe()
      })
      const queue = answers.get(name) ?? []
      const answer = (queue.length > 1 ? queue.shift() : queue[0]) ?? { status: 404 }
      if (answer !== "hang") outgoing.writeHead(answer.status ?? 200, answer.headers).end(answer.body ?? "")
      changed()
    })
  })
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("close", () => {
      sockets.delete(socket)
      changed()
    })
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    () =>
      Effect.promise(() => {
        for (const socket of sockets) socket.destroy()
        return new Promise<void>((resolve) => server.close(() => resolve()))
      })
  )

  const until = (condition: () => boolean): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const check = () => {
        if (!condition()) return
        listeners.delete(check)
        resume(Effect.void)
      }
      listeners.add(check)
      check()
      return Effect.sync(() => listeners.delete(check))
    })

  const named = (name: string) => requests.filter((request) => request.name === name)
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    location: `http://${host}/description.xml`,
    host,
    requests,
    answer: (name, ...list) => void answers.set(name, [...list]),
    received: (name, count = 1) =>
      Effect.map(
        until(() => named(name).length >= count),
        () => named(name)[count - 1]!
      ),
    idle: until(() => sockets.size === 0)
  }
})
