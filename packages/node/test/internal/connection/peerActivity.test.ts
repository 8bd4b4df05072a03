import { assert, describe, it } from "@effect/vitest"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { PeerActivity } from "../../../src/internal/connection/peerActivity.ts"

/** The activity of a peer with this idle timeout; `asked` counts how often the binding was asked for it. */
const setup = (own: number, peer = 0) => {
  const binding = { recv: 0, asked: 0 }
  const native = {
    stats: () => {
      binding.asked += 1
      return { recv: binding.recv, peerMaxIdleTimeout: peer }
    }
  } as unknown as NativeConnection
  return { activity: new PeerActivity(native, own), binding }
}

describe("the idle timeout", () => {
  it.each([
    [60_000, 30_000, 30_000],
    [30_000, 60_000, 30_000],
    [60_000, 0, 60_000],
    [Infinity, 30_000, 30_000],
    [Infinity, 0, Infinity]
  ])("of %s ms here and %s at the peer is %s", (own, peer, agreed) => {
    assert.strictEqual(setup(own, peer).activity.idleTimeout(), agreed)
  })

  it("is asked for once", () => {
    const { activity, binding } = setup(60_000, 30_000)
    for (let i = 0; i < 3; i++) activity.idleTimeout()
    assert.strictEqual(binding.asked, 1)
  })
})

describe("the time at which the peer was last heard", () => {
  it("is that of the last turn in which the count of its packets rose", () => {
    const { activity } = setup(60_000)
    activity.received(1_000)
    assert.strictEqual(activity.heardAt(1), 1_000)
    // Packets came that the peer did not send.
    activity.received(2_000)
    assert.strictEqual(activity.heardAt(1), 1_000)
    activity.received(3_000)
    assert.strictEqual(activity.heardAt(2), 3_000)
  })
})

describe("the probe timeout", () => {
  it("is what the timer of the binding is set to, while that is sooner than the idle timeout", () => {
    const { activity } = setup(30_000)
    activity.received(10_000)
    assert.strictEqual(activity.probeTimeout(10_000, 300), 300)
    assert.strictEqual(activity.probeTimeout(20_000, 300), 300)
    // Only the idle timer is set, at whatever millisecond.
    assert.isUndefined(activity.probeTimeout(10_000, 30_000))
    assert.isUndefined(activity.probeTimeout(20_000, 19_999))
    assert.isUndefined(activity.probeTimeout(20_000, null))
  })

  it("is that of a connection without an idle timeout, too", () => {
    const { activity } = setup(Infinity)
    assert.strictEqual(activity.probeTimeout(performance.now(), 300), 300)
    assert.isUndefined(activity.probeTimeout(performance.now(), null))
  })
})
