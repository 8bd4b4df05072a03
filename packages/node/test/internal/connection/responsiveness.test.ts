import { assert, describe, it } from "@effect/vitest"
import { Responsiveness } from "../../../src/internal/connection/responsiveness.ts"
import { minSilence, maxSilence, silentProbes } from "../../../src/internal/tunables/liveness.ts"

/** A peer, and how often it was told not to answer. */
const setup = () => {
  const peer = { heard: 5, awaited: true, heldBack: false, told: 0 }
  const responsiveness = new Responsiveness({
    heard: () => peer.heard,
    isAwaited: () => peer.awaited,
    isHeldBack: () => peer.heldBack,
    onUnresponsive: () => {
      peer.told += 1
    }
  })
  return { peer, responsiveness }
}

describe("a peer", () => {
  it("has a few probe timeouts to answer the first packet, with or without later packets", () => {
    const { responsiveness } = setup()
    const probeTimeout = 400
    responsiveness.afterTurn(1_000, false, probeTimeout)
    assert.strictEqual(responsiveness.deadline, 1_000 + silentProbes * probeTimeout)
    responsiveness.afterTurn(1_200, false, 2 * probeTimeout)
    assert.strictEqual(responsiveness.deadline, 1_000 + silentProbes * probeTimeout)
  })

  it("has a while even when the path is short", () => {
    const { responsiveness } = setup()
    responsiveness.afterTurn(1_000, false, 1)
    assert.strictEqual(responsiveness.deadline, 1_000 + minSilence)
  })

  it("has not for ever when the path seems very long", () => {
    const { responsiveness } = setup()
    responsiveness.afterTurn(1_000, false, 10_000)
    assert.strictEqual(responsiveness.deadline, 1_000 + maxSilence)
  })

  it("owes no answer while nothing is in flight", () => {
    const { responsiveness } = setup()
    responsiveness.afterTurn(1_000, false, undefined)
    assert.strictEqual(responsiveness.deadline, Infinity)
  })

  it("that answers anything has its time anew", () => {
    const { responsiveness } = setup()
    responsiveness.afterTurn(1_000, false, 1)
    responsiveness.afterTurn(1_500, true, 1)
    assert.strictEqual(responsiveness.deadline, 1_500 + minSilence)
    responsiveness.afterTurn(1_600, true, undefined)
    assert.strictEqual(responsiveness.deadline, Infinity)
  })

  it("that does not answer in time is reported once, as long as it is silent", () => {
    const { peer, responsiveness } = setup()
    responsiveness.afterTurn(0, false, 1)
    assert.isFalse(responsiveness.isUnresponsive)
    responsiveness.suspect()
    responsiveness.tick()
    assert.isTrue(responsiveness.isUnresponsive)
    assert.deepStrictEqual([peer.told, responsiveness.deadline], [1, Infinity])
  })

  it("that is heard again is responsive, and is reported again the next time", () => {
    const { peer, responsiveness } = setup()
    responsiveness.suspect()
    peer.heard += 1
    assert.isFalse(responsiveness.isUnresponsive)
    responsiveness.tick()
    assert.isFalse(responsiveness.isUnresponsive)
    responsiveness.suspect()
    assert.strictEqual(peer.told, 2)
  })

  it("that was heard between two sweeps is reported again when it falls silent", () => {
    const { peer, responsiveness } = setup()
    responsiveness.suspect()
    peer.heard += 1
    responsiveness.suspect()
    assert.strictEqual(peer.told, 2)
  })

  it("that was not awaited for a while is reported again, if its owner has seen that", () => {
    const { peer, responsiveness } = setup()
    responsiveness.suspect()
    peer.awaited = false
    assert.isFalse(responsiveness.isUnresponsive)
    peer.awaited = true
    responsiveness.tick()
    responsiveness.tick()
    assert.strictEqual(peer.told, 2)
  })

  it("that is held back is not reported before that is over", () => {
    const { peer, responsiveness } = setup()
    peer.heldBack = true
    responsiveness.suspect()
    responsiveness.tick()
    assert.deepStrictEqual([peer.told, responsiveness.isUnresponsive], [0, false])
    peer.heldBack = false
    responsiveness.tick()
    assert.deepStrictEqual([peer.told, responsiveness.isUnresponsive], [1, true])
  })

  it("that is not awaited is reported as soon as it is", () => {
    const { peer, responsiveness } = setup()
    peer.awaited = false
    responsiveness.suspect()
    responsiveness.tick()
    assert.deepStrictEqual([peer.told, responsiveness.isUnresponsive], [0, false])
    peer.awaited = true
    responsiveness.tick()
    assert.deepStrictEqual([peer.told, responsiveness.isUnresponsive], [1, true])
    peer.awaited = false
    responsiveness.tick()
    peer.awaited = true
    responsiveness.tick()
    assert.strictEqual(peer.told, 2)
  })
})
