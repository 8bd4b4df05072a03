/**
 * What has become of a port mapping.
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
 * - `Mapped`: the gateway grants `external`, for the first time or again.
 * - `Renewing`: it is being asked to go on with that.
 * - `Failed`: it did not; the mapping may still be there, and it is asked again soon.
 * - `Lost`: the lease has run out since, or the gateway said that it has forgotten it. It is still asked again.
 * - `Remapped`: the gateway grants another external address or port than `before`.
 *
 * `external` is in each case the address that was granted last.
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
