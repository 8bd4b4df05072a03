/**
 * The connection ids of one socket that have a stateless reset token (RFC 9000, section 10.3), made for several at a time.
 *
 * Between two dials the code that derives a token grows cold: a token on its own costs five times what it costs in a loop, and a
 * dial needs one on each side.
 */
import { idsDrawn } from "../tunables/connectionIds.ts"
import { connectionIdLength, randomId } from "./connectionId.ts"
import { asBigInt, resetTokenLength, type ResetTokens } from "./resetToken.ts"

/** A connection id with its stateless reset token, as the binding takes it. */
export interface IssuedId {
  readonly id: Uint8Array
  readonly resetToken: bigint
}

/** Makes the ids of a socket, with the tokens of that socket. */
export class IdSupply {
  private readonly tokens: ResetTokens
  /** Ids, each with its token behind it. */
  private drawn: Buffer | undefined = undefined
  private used = 0

  constructor(tokens: ResetTokens) {
    this.tokens = tokens
  }

  /** Returns an id that it has not returned before. */
  readonly next = (): IssuedId => {
    if (this.drawn === undefined || this.used === this.drawn.length) this.draw()
    const drawn = this.drawn!
    const tokenAt = this.used + connectionIdLength
    const id = Uint8Array.prototype.slice.call(drawn, this.used, tokenAt)
    this.used = tokenAt + resetTokenLength
    return { id, resetToken: asBigInt(drawn, tokenAt) }
  }

  private draw(): void {
    const drawn = (this.drawn ??= Buffer.allocUnsafeSlow(idsDrawn * (connectionIdLength + resetTokenLength)))
    for (let at = 0; at < drawn.length;) {
      const id = randomId()
      drawn.set(id, at)
      at += connectionIdLength
      drawn.set(this.tokens(id), at)
      at += resetTokenLength
    }
    this.used = 0
  }
}
