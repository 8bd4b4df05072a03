import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as soap from "./soap.ts"

const decode = Schema.decodeUnknownOption(
  Schema.Struct({ NewInternalClient: Schema.String, NewInternalPort: Schema.String })
)

/**
 * Whether a port of the gateway leads to `internal` already. Some gateways refuse to map again what they have mapped, also
 * when the same host asks; and a host that was killed finds what it left behind. One that does not say counts as no.
 */
export const isOurs = (
  control: soap.Control,
  internal: NetAddress.InetAddressV4,
  externalPort: number
): Effect.Effect<boolean, never, HttpClient.HttpClient> =>
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
        Option.exists(
          decode(answer),
          ({ NewInternalClient, NewInternalPort }) =>
            `${NewInternalClient.trim()}:${Number(NewInternalPort)}` === NetAddress.formatInet(internal)
        )
      ),
      Effect.orElseSucceed(() => false)
    )
