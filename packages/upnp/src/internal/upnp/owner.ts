import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as soap from "./soap.ts"

const decode = Schema.decodeUnknownOption(
  Schema.Struct({ newinternalclient: Schema.String, newinternalport: Schema.String })
)

/** Whom a port of the gateway leads to, as it says. One that does not say, or nothing that can be, is unknown. */
export type Owner = "Ours" | "Others" | "Unknown"

/**
 * Whether a port of the gateway leads to `internal` already. Some gateways refuse to map again what they have mapped, also
 * when the same host asks; a host that was killed finds what it left behind; and there are gateways that do not say what
 * became of a mapping, or why not.
 */
export const ownerOf = (
  control: soap.Control,
  internal: NetAddress.InetAddressV4,
  externalPort: number
): Effect.Effect<Owner> =>
  soap
    .call(control, {
      name: "GetSpecificPortMappingEntry",
      args: [
        ["NewRemoteHost", ""],
        ["NewExternalPort", externalPort],
        ["NewProtocol", "UDP"]
      ]
    })
    .pipe(
      Effect.map((answer) =>
        Option.match(decode(answer), {
          onNone: (): Owner => "Unknown",
          onSome: ({ newinternalclient, newinternalport }) => {
            const client = newinternalclient.trim()
            if (`${client}:${Number(newinternalport)}` === NetAddress.formatInet(internal)) return "Ours"
            const address = NetAddress.ipv4FromString(client)
            return Result.isSuccess(address) && NetAddress.isUnicast(address.success) ? "Others" : "Unknown"
          }
        })
      ),
      Effect.orElseSucceed((): Owner => "Unknown")
    )
