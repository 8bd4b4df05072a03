/**
 * The connection ids of one socket that have a stateless reset token (RFC 9000, section 10.3), made for several at a time.
 *
 * Between two dials the code that derives a token grows cold: a token on its own costs five times what it costs in a loop, and a
 * dial needs one on each side.
 */
import { idsDrawn } from "../tunables/connectionIds.ts"
import { randomId } from "./connectionId.ts"
import { asBigInt, type ResetTokens } from "./resetToken.ts"

/** A connection id with its stateless reset token, as the binding takes it. */
export interface IssuedId {
  readonly id: Uint8Array
  readonly resetToken: bigint
}

/** Makes the ids of a socket, with the tokens of that socket. */
export class IdSupply {
  private readonly tokens: ResetTokens
  private readonly ready: Array<IssuedId> = []

  constructor(tokens: ResetTokens) {
    this.tokens = tokens
  }

  /** Returns an id that it has not returned before. */
  readonly next = (): IssuedId => {
    if (this.ready.length === 0) this.draw()
    return this.ready.pop()!
  }

  private draw(): void {
    for (let i = 0; i < idsDrawn; i++) {
      const id = randomId()
      this.ready.push({ id, resetToken: asBigInt(this.tokens(id)) })
    }
  }
}
