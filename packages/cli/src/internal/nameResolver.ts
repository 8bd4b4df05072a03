/**
 * Looks up the host names of peers, as the system does.
 */
import * as NodeAddressResolver from "@effect/platform-node/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node/NodeDns"
import * as Layer from "effect/Layer"
import type { AddressResolver } from "effect/net/AddressResolver"

/** The system's resolver. */
export const layer: Layer.Layer<AddressResolver> = Layer.provide(NodeAddressResolver.layer, NodeDns.layer)
