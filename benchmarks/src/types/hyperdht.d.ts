/** The part of hyperdht that is used; it has no types of its own. */
declare module "hyperdht" {
  import type { Duplex } from "node:stream"

  interface Address {
    readonly host: string
    readonly port: number
  }

  interface Server {
    on(event: "connection", listener: (stream: Duplex) => void): void
    listen(): Promise<void>
    close(): Promise<void>
    readonly publicKey: Uint8Array
  }

  class HyperDHT {
    constructor(options: {
      readonly host: string
      readonly port?: number
      readonly bootstrap: ReadonlyArray<Address>
      readonly ephemeral?: boolean
      readonly firewalled?: boolean
    })
    fullyBootstrapped(): Promise<void>
    address(): Address
    createServer(): Server
    connect(key: Uint8Array, options: { readonly relayAddresses: ReadonlyArray<Address> }): Duplex
    destroy(options?: { readonly force?: boolean }): Promise<void>
  }

  export default HyperDHT
}
