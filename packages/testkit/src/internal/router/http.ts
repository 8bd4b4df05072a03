/** The part of HTTP/1.1 (RFC 9112) that a router needs, and the ways to break it. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Misbehaviour, Moment, Page } from "../../Misbehaviour.ts"
import { framed, utf8, written } from "./bodies.ts"
import { describe, isDescriptionPath, otherDevice } from "./description.ts"
import type { Device } from "./device.ts"
import { styled } from "./heads.ts"
import { argumentsOf, carryOut, isAction, type Reply, serviceAt } from "./soap.ts"
import type { Connection } from "./sockets.ts"

/** The maximum size of a request, in bytes. */
const longestRequest = 64 * 1024

/** Bodies are strings of bytes (ISO 8859-1) here. */
const encode = (bytes: string): Uint8Array => Buffer.from(bytes, "latin1")

interface Request {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Serves one connection, which carries one request. Effects that take time are passed to `run`. */
export const serve = (router: Device, connection: Connection, run: (effect: Effect.Effect<void>) => void): void => {
  switch (router.misbehaviours.take(["DeafConnection", "ResetConnection"])?._tag) {
    case "DeafConnection":
      return router.journal.record("HTTP", "Connection")
    case "ResetConnection":
      router.journal.record("HTTP", "Connection")
      return connection.reset()
  }
  const decoder = new TextDecoder("latin1")
  let text = ""
  let answered = false
  connection.onData((chunk) => {
    if (answered) return
    text += decoder.decode(chunk, { stream: true })
    const request = parse(text)
    if (request === undefined && text.includes("\r\n\r\n") && router.misbehaviours.take(["OneSegment"]) !== undefined) {
      answered = true
      return connection.end()
    }
    if (request === undefined && text.length <= longestRequest) return
    answered = true
    if (request === undefined) return connection.reset()
    answer(router, request, connection, run)
  })
}

/** The request, once it is complete. */
const parse = (text: string): Request | undefined => {
  const end = text.indexOf("\r\n\r\n")
  if (end < 0) return undefined
  const [first = "", ...lines] = text.slice(0, end).split("\r\n")
  const [method = "", path = ""] = first.split(" ")
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
  )
  const body = text.slice(end + 4)
  const length = Number(headers.get("content-length") ?? 0)
  return body.length < length ? undefined : { method, path, headers, body: body.slice(0, length) }
}

const page = (status: number): Reply => ({
  status,
  body: `<html><head><title>${status}</title></head><body><p>Not here, or not now.<br></body></html>`
})

const answer = (
  router: Device,
  request: Request,
  connection: Connection,
  run: (effect: Effect.Effect<void>) => void
): void => {
  const { journal } = router
  if (!router.speaks("UPnP")) return send(connection, page(404))
  if (request.method === "GET" && isDescriptionPath(request.path)) {
    journal.record("HTTP", "Description")
    return reply(router, "Description", { status: 200, body: describe(router) }, connection, run)
  }
  const [service = "", name = ""] = (request.headers.get("soapaction") ?? "").replaceAll('"', "").split("#")
  const at = serviceAt(router, request.path)
  if (request.method === "POST" && at !== undefined) {
    const asked = { name, service, at, arguments: argumentsOf(request.body), from: connection.host }
    journal.record("UPnP", name, asked.arguments)
    const made = carryOut(router, asked)
    if (isAction(name)) return reply(router, name, made, connection, run)
    return send(connection, { ...made, body: utf8(made.body) })
  }
  journal.record("HTTP", request.path)
  return send(connection, page(404))
}

const head = (status: number, headers: Readonly<Record<string, string | number>>, version = "1.1") =>
  `HTTP/${version} ${status} ${status === 200 ? "OK" : "Other"}\r\nServer: FakeRouter/1.0\r\nConnection: close\r\n` +
  `Content-Type: text/xml; charset="utf-8"\r\n` +
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("") +
  "\r\n"

const headOf = ({ body, status }: Reply) => head(status, { "Content-Length": body.length })

const halfOf = (reply: Reply) => headOf(reply) + reply.body.slice(0, reply.body.length / 2)

const send = (connection: Connection, reply: Reply): void => {
  connection.write(encode(headOf(reply) + reply.body))
  connection.end()
}

const tags = [
  "Hang",
  "Reset",
  "CutShort",
  "Slow",
  "NoHttp",
  "HttpStatus",
  "EmptyBody",
  "GarbageXml",
  "EntityBomb",
  "HugeBody",
  "EndlessBody",
  "Redirect",
  "Head",
  "Framed",
  "WrongLength"
] as const satisfies ReadonlyArray<Misbehaviour["_tag"]>

const reply = (
  router: Device,
  at: Page,
  made: Reply,
  connection: Connection,
  run: (effect: Effect.Effect<void>) => void
): void => {
  const right = { ...made, body: written(router, at, made.body) }
  const told = router.misbehaviours.take(tags, (misbehaviour) => misbehaviour.at === at)
  switch (told?._tag) {
    case undefined:
      return send(connection, right)
    case "Hang":
      return connection.write(encode(until(told.after, right)))
    case "Reset":
      connection.write(encode(until(told.after, right)))
      return connection.reset()
    case "CutShort":
      connection.write(encode(halfOf(right)))
      return connection.end()
    case "Slow":
      return run(trickle(encode(headOf(right) + right.body), told.interval, connection))
    case "NoHttp":
      connection.write(encode("220 router ready\r\n"))
      return connection.end()
    case "HttpStatus":
      return send(connection, page(told.status))
    case "EmptyBody":
      return send(connection, { status: 200, body: "" })
    case "GarbageXml":
      return send(connection, { status: 200, body: "<root><device></root>\u0001<<<" })
    case "EntityBomb":
      return send(connection, { ...right, body: withEntities(right.body) })
    case "HugeBody":
      return send(connection, { ...right, body: `${right.body}<!--${"x".repeat(told.bytes)}-->` })
    case "EndlessBody":
      return endless(at, right, connection)
    case "Redirect":
      connection.write(encode(head(302, { Location: told.url, "Content-Length": 0 })))
      return connection.end()
    case "Head":
      connection.write(encode(styled(headOf(right), told.style) + right.body))
      return connection.end()
    case "Framed": {
      const { body, closes, headers, version } = framed(right.body, told.as)
      connection.write(encode(head(right.status, headers, version) + body))
      return closes ? connection.end() : undefined
    }
    case "WrongLength":
      connection.write(encode(head(right.status, { "Content-Length": right.body.length + told.by }) + right.body))
      return connection.end()
  }
}

const until = (moment: Moment, right: Reply): string => {
  switch (moment) {
    case "Request":
      return ""
    case "Head":
      return headOf(right)
    case "HalfBody":
      return halfOf(right)
    case "Body":
      return headOf(right) + right.body
  }
}

const trickle = (bytes: Uint8Array, interval: Duration.Input, connection: Connection): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let i = 0; i < bytes.length && connection.isOpen(); i++) {
      yield* Effect.sleep(interval)
      connection.write(bytes.subarray(i, i + 1))
    }
    connection.end()
  })

/** Each entity is ten times the one before: the last expands to 10 GB. */
const withEntities = (body: string): string => {
  const names = Array.from({ length: 10 }, (_, i) => `e${i}`)
  const entities = names.map((name, i) => `<!ENTITY ${name} "${i === 0 ? "0123456789" : `&e${i - 1};`.repeat(10)}">`)
  const type = `<!DOCTYPE bomb [${entities.join("")}]>`
  const [declaration, rest] = splitAfter(body, "?>")
  const [start, end] = splitAfter(rest, ">")
  return `${declaration}${type}${start}<bomb>&e9;</bomb>${end}`
}

const splitAfter = (text: string, mark: string): readonly [string, string] => {
  const end = text.indexOf(mark) + mark.length
  return [text.slice(0, end), text.slice(end)]
}

const endless = (at: Page, right: Reply, connection: Connection): void => {
  const mark = at === "Description" ? "<deviceList>" : "<s:Body>"
  const filler = (at === "Description" ? otherDevice : "<x>y</x>").repeat(16)
  connection.write(encode(head(right.status, { "Transfer-Encoding": "chunked" })))
  connection.write(chunkOf(splitAfter(right.body, mark)[0]))
  connection.writeForEver(chunkOf(filler))
}

const chunkOf = (text: string): Uint8Array => encode(`${text.length.toString(16)}\r\n${text}\r\n`)
