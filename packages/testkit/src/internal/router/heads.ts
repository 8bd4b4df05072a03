/** Heads of HTTP and SSDP answers, in the styles of real routers. */
import type { HeadStyle } from "../../Misbehaviour.ts"

/** Rewrites a complete head in another style. */
export const styled = (head: string, style: HeadStyle): string => {
  const [status = "", ...headers] = head.trimEnd().split("\r\n")
  const written = (first: string, lines: ReadonlyArray<string>, end = "\r\n") => [first, ...lines, "", ""].join(end)
  const each = (change: (name: string, value: string) => string) =>
    headers.map((line) => change(line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()))
  switch (style) {
    case "LineFeeds":
      return written(status, headers, "\n")
    case "Spaces":
      return written(
        `${status}  `,
        each((name, value) => `${name} \t:  ${value} \t `)
      )
    case "NoSpaces":
      return written(
        status,
        each((name, value) => `${name.toLowerCase()}:${value}`)
      )
    case "NoReason":
      return written(status.split(" ").slice(0, 2).join(" "), headers)
    case "NoType":
      return written(
        status,
        headers.filter((line) => !/^content-type/iu.test(line))
      )
    case "Twice":
      return written(
        status,
        headers.flatMap((line) => [line, line])
      )
    case "Junk":
      return written(status, ["no header", "\u0001: \u0002", ": nothing", ...headers])
    case "BlankLines":
      return `\r\n\r\n${head}`
    case "Continue":
      return `HTTP/1.1 100 Continue\r\n\r\n${head}`
  }
}
