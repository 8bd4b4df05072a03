/** Types for the parts of nat-upnp 1.1.1 that are used here. The package has none. */
declare module "nat-upnp" {
  import type { Socket } from "node:dgram"
  import type { EventEmitter } from "node:events"

  export interface Gateway {
    run(action: string, args: ReadonlyArray<readonly [string, string | number | undefined]>, callback: unknown): void
  }

  export interface Ssdp extends EventEmitter {
    sockets: Array<Socket>
    multicast: string
    port: number
    parseResponse(response: string, address: string, remote?: { readonly address: string }): void
    search(target: string): EventEmitter
  }

  export interface Client {
    readonly ssdp: Ssdp
    findGateway(callback: (error: null, gateway: Gateway, address: string) => void): void
    externalIp(callback?: unknown): void
    portMapping(options: Mapping & { readonly ttl: number; readonly description: string }, callback?: unknown): void
    portUnmapping(options: Mapping, callback?: unknown): void
    close(): void
  }

  export interface Mapping {
    readonly public: { readonly port: number }
    readonly private?: { readonly host: string; readonly port: number }
    readonly protocol: "UDP"
  }

  const natUpnp: { createClient(): Client }
  export default natUpnp
}
