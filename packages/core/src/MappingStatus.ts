/**
 * The state of a port mapping.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as NetAddress from "effect/net/NetAddress"
import type { PortMapperError } from "./PortMapperError.ts"

/**
 * The state of a port mapping.
 *
 * - `Mapped`: the gateway granted `external`, for the first time or by a renewal.
 * - `Renewing`: a renewal is in progress.
 * - `Failed`: the renewal failed. The mapping may still exist, and the renewal is retried soon.
 * - `Lost`: the lease expired, or the gateway reported that the mapping no longer exists. The mapping is still retried.
 * - `Remapped`: the gateway granted an external address or port other than `before`.
 *
 * `external` is always the address that the gateway granted last.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type MappingStatus = Data.TaggedEnum<{
  Mapped: { readonly external: NetAddress.InetAddress }
  Renewing: { readonly external: NetAddress.InetAddress }
  Failed: { readonly external: NetAddress.InetAddress; readonly error: PortMapperError }
  Lost: { readonly external: NetAddress.InetAddress; readonly error: PortMapperError }
  Remapped: { readonly external: NetAddress.InetAddress; readonly before: NetAddress.InetAddress }
}>

/**
 * The constructors and the matchers of `MappingStatus`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const { $is, $match, Failed, Lost, Mapped, Remapped, Renewing } = Data.taggedEnum<MappingStatus>()
