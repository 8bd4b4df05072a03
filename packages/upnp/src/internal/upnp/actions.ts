/** Builds the SOAP actions of WANIPConnection with nat-upnp, without sending them. */
import * as NetAddress from "effect/net/NetAddress"
import type { Client } from "nat-upnp"
import type { Action } from "./soap.ts"

/** The actions for one port mapping. */
export interface Actions {
  readonly add: Action
  readonly addForEver: Action
  readonly remove: Action
}

/** The UDP port mapping that an action adds, with its lease and description. */
export interface PortMapping {
  readonly internal: NetAddress.InetAddressV4
  readonly externalPort: number
  /** In seconds. */
  readonly lease: number
  readonly description: string
}

/**
 * Builds actions with nat-upnp's own code, without opening its sockets. It replaces the client's gateway by one that
 * records the action: nat-upnp's own sending never ends when a router hangs, and throws outside of any handler when an
 * answer is malformed.
 */
export class Builder {
  readonly #client: Client

  constructor(client: Client) {
    this.#client = Object.create(Object.getPrototypeOf(client))
  }

  externalAddress(): Action {
    return this.#record((client) => client.externalIp())
  }

  port({ description, externalPort, internal, lease }: PortMapping): Actions {
    const ports = {
      public: { port: externalPort },
      private: { host: NetAddress.formatIp(internal.address), port: internal.port },
      protocol: "UDP"
    } as const
    return {
      add: this.#record((client) => client.portMapping({ ...ports, description, ttl: lease })),
      addForEver: this.#record((client) => client.portMapping({ ...ports, description, ttl: 0 })),
      remove: this.remove(externalPort)
    }
  }

  remove(externalPort: number): Action {
    return this.#record((client) => client.portUnmapping({ public: { port: externalPort }, protocol: "UDP" }))
  }

  #record(ask: (client: Client) => void): Action {
    let action: Action = { name: "", args: [] }
    this.#client.findGateway = (callback) => callback(null, { run: (name, args) => void (action = { name, args }) }, "")
    ask(this.#client)
    return action
  }
}
