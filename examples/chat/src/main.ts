/**
 * A chat in the terminal: each typed line goes to everybody who is connected.
 *
 * The settings are environment variables: CHAT_NAME, CHAT_IDENTITY with the file that keeps the key, CHAT_LOCAL_ADDRESS, CHAT_CONTACTS
 * with white space between peers, and every field of EndpointConfig, such as CHAT_IDLE_TIMEOUT.
 */
import { NodeRuntime, NodeStdio } from "@effect/platform-node"
import { Endpoint } from "@qp2p/core"
import { NodeEndpoint, NodeIdentity } from "@qp2p/node"
import { Config, Console, Effect, Layer, Option, Stdio, Stream } from "effect"
import { Chat, type Event } from "./Chat.ts"
import { Name } from "./Message.ts"

const settings = Config.all({
  options: Endpoint.config("chat", { others: ["identity", "name"] }),
  identity: Config.option(Config.String("CHAT_IDENTITY")),
  name: Config.schema(Name, "CHAT_NAME")
})

const chat = Layer.unwrap(
  Effect.map(settings, ({ identity, name, options: { contacts, ...options } }) =>
    // The chat dials its contacts itself, and again when they are lost.
    Chat.layer({ name, contacts }).pipe(
      Layer.provideMerge(
        NodeEndpoint.layer({
          ...options,
          identity: Option.getOrUndefined(Option.map(identity, NodeIdentity.fromFile))
        })
      )
    )
  )
)

const show = (event: Event): string => {
  switch (event._tag) {
    case "Came":
      return `* ${event.member.name} is ${event.isBack ? "back" : "here"}`
    case "Went":
      return `* ${event.member.name} has left`
    case "Said":
      return `${event.member.name}: ${event.text}`
    case "Missed":
      return `* ${event.reason}; trying again`
  }
}

const terminal = Effect.gen(function* () {
  const { events, roster, say } = yield* Chat
  const { peerAddress } = yield* Endpoint.Endpoint
  const { stdin } = yield* Stdio.Stdio
  yield* Console.log(`others find you as ${peerAddress}`)
  const typed = stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.runForEach((line) =>
      Effect.flatMap(roster, (members) => {
        if (members.length === 0) return Console.log("* nobody else is here")
        if (line === "/who") return Console.log(members.map(({ name }) => `* ${name}`).join("\n"))
        return say(line).pipe(
          Effect.flatMap(Effect.forEach(({ name }) => Console.error(`* ${name} did not get that`))),
          Effect.catch(({ message }) => Console.error(message))
        )
      })
    )
  )
  const heard = Stream.runForEach(events, (event) => Console.log(show(event)))
  // The chat goes on after the end of standard input.
  yield* Effect.all([typed, heard], { concurrency: "unbounded" })
})

terminal.pipe(Effect.provide([chat, NodeStdio.layer]), NodeRuntime.runMain)
