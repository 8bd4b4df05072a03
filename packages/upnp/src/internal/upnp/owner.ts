/** Finds out which host a port of the gateway is mapped to. */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as soap from "./soap.ts"

const decode = Schema.decodeUnknownOption(
  Schema.Struct({ newinternalclient: Schema.String, newinternalport: Schema.String })
)

/**
 * The host that a port of the gateway is mapped to: this one, another one, or unknown when the gateway's answer is
 * missing or implausible.
 */
export type Owner = "Ours" | "Others" | "Unknown"

/**
 * Asks the gateway whether an external port is mapped to `internal`. Some gateways refuse a mapping that exists, even
 * for the same host; a host that was killed finds its earlier mapping; and some gateways do not report the outcome of a
 * request.
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
