import { assert, describe, it } from "@effect/vitest"
import { type PathCounts, MtuDiscovery } from "../../../src/internal/path/mtuDiscovery.ts"

/** More than the peer may take to acknowledge what was sent, with a round trip of 20 ms. */
const answerTime = 91

const seconds = (count: number) => count * 1_000
const minutes = (count: number) => seconds(60 * count)

/** A path, what the binding counts on it, and the time. */
class Path {
  readonly size: MtuDiscovery
  readonly counts = { rtt: 20, recv: 10, lost: 0, lostBytes: 0 }
  now = seconds(5)

  constructor(largest: number, trusted = false) {
    this.size = new MtuDiscovery(largest, trusted)
  }

  get next(): number {
    return this.size.next(this.now)
  }

  get hasPending(): boolean {
    return this.size.hasPending(this.now)
  }

  private readonly path = { pathCounts: (): PathCounts => ({ ...this.counts }) }

  /** Sends packets, each as long as it may be if nothing else is said. */
  send(count = 1, length?: number): void {
    for (let i = 0; i < count; i++) this.size.sent(length ?? this.next, this.path)
  }

  lose(count: number, length: number): void {
    this.counts.lost += count
    this.counts.lostBytes += count * length
  }

  pass(millis: number): void {
    this.now += millis
  }

  look(): void {
    this.size.observe(this.now, this.path.pathCounts())
  }

  /** Probes the next size, with so many packets after it, so much time and so many answers. */
  probe({ packets = 4, millis = answerTime, answers = 2 } = {}): void {
    this.send(1 + packets)
    this.look()
    this.pass(millis)
    this.counts.recv += answers
    this.look()
  }

  /** Probes the next size, which does not get through. */
  fail(): void {
    const tried = this.next
    this.send(2)
    this.lose(1, tried)
    this.look()
  }

  timeOut(times: number): void {
    for (let i = 0; i < times; i++) this.size.timedOut(this.now)
  }

  /** Falls back, since nothing of what is sent is acknowledged. */
  fall(): void {
    this.send()
    this.timeOut(3)
  }

  /** Milliseconds until a larger size is probed, which then gets through. */
  rise(): number {
    const before = this.now
    while (this.next === this.size.current) this.pass(500)
    const waited = this.now - before
    this.probe()
    return waited
  }
}

/** A path on which packets have grown to 1,350 bytes, which is all that may be. */
const grown = () => {
  const path = new Path(1_350)
  path.probe()
  assert.strictEqual(path.size.current, 1_350)
  return path
}

describe("packets", () => {
  const rows: ReadonlyArray<readonly [largest: number, trusted: boolean, sizes: ReadonlyArray<number>]> = [
    [16_383, false, [1_200, 1_350, 1_452, 8_952, 16_383]],
    [1_452, false, [1_200, 1_350, 1_452]],
    [1_400, false, [1_200, 1_350, 1_400]],
    [1_200, false, [1_200]],
    [1_000, false, [1_200]],
    [16_383, true, [16_383]],
    [1_000, true, [1_200]]
  ]
  it.each(rows)("of up to %i bytes (trusted: %s) have sizes of %j, one after the other", (largest, trusted, sizes) => {
    const path = new Path(largest, trusted)
    const seen = [path.size.current]
    for (let i = 0; i < 6; i++) {
      path.probe()
      if (path.size.current !== seen.at(-1)) seen.push(path.size.current)
    }
    assert.deepStrictEqual(seen, sizes)
    assert.strictEqual(path.next, sizes.at(-1))
  })

  it("probe a larger size one at a time, and are as large as the probe that has arrived", () => {
    const path = new Path(1_452)
    path.send(3, 500)
    path.send(1, 1_200)
    assert.deepStrictEqual([path.next, path.hasPending], [1_350, false])
    // What there was to send did not fill it.
    path.send(1, 1_300)
    assert.deepStrictEqual([path.next, path.hasPending], [1_200, true])
    path.probe()
    assert.deepStrictEqual([path.size.current, path.next, path.hasPending], [1_300, 1_350, false])
  })
})

describe("a probe", () => {
  const rows: ReadonlyArray<readonly [lacking: string, has: Parameters<Path["probe"]>[0], rest: (path: Path) => void]> =
    [
      [
        "packets after it",
        { packets: 3 },
        (path) => {
          path.send()
          path.look()
          path.pass(answerTime)
          path.counts.recv += 2
        }
      ],
      ["time", { millis: answerTime - 1 }, (path) => path.pass(1)],
      ["answers", { answers: 1 }, (path) => (path.counts.recv += 1)]
    ]
  it.each(rows)("has not succeeded before there were enough %s", (_, has, rest) => {
    const path = new Path(1_350)
    path.probe(has)
    assert.deepStrictEqual([path.size.current, path.next], [1_200, 1_200])
    rest(path)
    path.look()
    assert.strictEqual(path.size.current, 1_350)
  })

  it("needs answers to what was sent after it, and longer where the way is longer", () => {
    const path = new Path(1_350)
    path.counts.rtt = 200
    path.send(5)
    path.counts.recv += 10
    path.look()
    path.pass(450)
    path.counts.recv += 2
    path.look()
    assert.strictEqual(path.size.current, 1_200)
    path.pass(1)
    path.look()
    assert.strictEqual(path.size.current, 1_350)
  })

  const losses: ReadonlyArray<readonly [lost: ReadonlyArray<number>, failed: boolean]> = [
    [[], false],
    [[1_350], true],
    [[1_350, 1_200, 1_200], true],
    [[1_200], false],
    [[300, 1_200], false],
    // The probe may be among these, or not.
    [[1_350, 900], false]
  ]
  it.each(losses)("before and during which %j bytes were lost has failed: %s", (lost, failed) => {
    const path = new Path(1_350)
    path.lose(10, 1_350)
    path.send(2)
    for (const length of lost) path.lose(1, length)
    path.look()
    // Unless it is over, another one is sent after no time.
    path.pass(seconds(1))
    assert.strictEqual(path.next, failed ? 1_350 : 1_200)
    assert.strictEqual(path.size.current, 1_200)
  })

  it("that fails is sent again after 1 s, then 2 s, then 10 minutes, and all anew", () => {
    const path = new Path(1_452)
    path.probe()
    for (let round = 0; round < 2; round++) {
      for (const wait of [seconds(1), seconds(2), minutes(10)]) {
        assert.strictEqual(path.next, 1_452)
        path.fail()
        path.pass(wait - 1)
        assert.strictEqual(path.next, 1_350)
        path.pass(1)
      }
    }
    path.probe()
    assert.strictEqual(path.size.current, 1_452)
  })

  it("that succeeds makes the failures before it forgotten", () => {
    const path = new Path(1_452)
    for (const wait of [seconds(1), seconds(2)]) {
      path.fail()
      path.pass(wait)
    }
    path.probe()
    assert.deepStrictEqual([path.size.current, path.next], [1_350, 1_452])
    path.fail()
    path.pass(seconds(1))
    assert.strictEqual(path.next, 1_452)
  })
})

describe("timeouts", () => {
  it("three times with large packets sent and nothing acknowledged: the size falls back", () => {
    const path = grown()
    path.send()
    path.timeOut(2)
    assert.strictEqual(path.size.current, 1_350)
    path.timeOut(1)
    assert.deepStrictEqual([path.size.current, path.next], [1_200, 1_200])
    path.pass(seconds(1) - 1)
    assert.strictEqual(path.next, 1_200)
    path.pass(1)
    assert.strictEqual(path.next, 1_350)
    path.probe()
    // Those before do not count again.
    path.send()
    path.timeOut(2)
    assert.strictEqual(path.size.current, 1_350)
  })

  it("with something acknowledged between them are no reason", () => {
    const path = grown()
    path.send()
    path.timeOut(2)
    path.size.acknowledged()
    path.timeOut(2)
    assert.strictEqual(path.size.current, 1_350)
    path.timeOut(1)
    assert.strictEqual(path.size.current, 1_200)
  })

  it("with nothing large sent are no reason", () => {
    const path = grown()
    path.send(20, 1_200)
    path.timeOut(10)
    assert.strictEqual(path.size.current, 1_350)
  })
})

describe("losses", () => {
  /** Sends so many large packets and looks, then so many more, with these losses until the next look. */
  const lossy = (first: number, then: number, lost: ReadonlyArray<readonly [count: number, length: number]>) => {
    const path = grown()
    path.pass(200)
    path.send(first)
    path.look()
    path.send(then)
    for (const [count, length] of lost) path.lose(count, length)
    return path
  }

  const rows: ReadonlyArray<
    readonly [
      first: number,
      then: number,
      lost: ReadonlyArray<readonly [count: number, length: number]>,
      size: 1_200 | 1_350
    ]
  > = [
    [100, 16, [[75, 1_350]], 1_200],
    [100, 16, [[74, 1_350]], 1_350],
    [100, 100, [[30, 1_350]], 1_350],
    // They were sent before the last look, when there were more.
    [1_000, 16, [[300, 1_350]], 1_350],
    // Small ones say nothing of the size, and may hide large ones.
    [100, 16, [[100, 1_200]], 1_350],
    [
      100,
      16,
      [
        [75, 1_350],
        [50, 1_200]
      ],
      1_200
    ],
    [
      100,
      16,
      [
        [75, 1_350],
        [20, 100]
      ],
      1_350
    ],
    [15, 16, [[31, 1_350]], 1_350]
  ]
  it.each(rows)(
    "among %i large packets, and %i since then, of %j leave packets at %i bytes",
    (first, then, lost, size) => {
      const path = lossy(first, then, lost)
      path.pass(200)
      path.look()
      assert.strictEqual(path.size.current, size)
    }
  )

  it.each([
    [20, 200],
    [100, 300]
  ])("are looked at when most have shown: with a round trip of %i ms after %i ms", (rtt, time) => {
    const path = lossy(100, 16, [[100, 1_350]])
    path.counts.rtt = rtt
    path.pass(time - 1)
    path.look()
    assert.strictEqual(path.size.current, 1_350)
    path.pass(1)
    path.look()
    assert.strictEqual(path.size.current, 1_200)
  })

  it("of a look are not counted in the next", () => {
    const path = lossy(100, 100, [[70, 1_350]])
    for (let i = 0; i < 5; i++) {
      path.pass(200)
      path.look()
      path.send(100)
      path.lose(70, 1_350)
    }
    assert.strictEqual(path.size.current, 1_350)
  })
})

describe("the wait after a fall", () => {
  it("doubles up to 10 minutes", () => {
    const path = grown()
    const waits = Array.from({ length: 13 }, () => {
      path.fall()
      return path.rise()
    })
    assert.deepStrictEqual(waits, [
      ...Array.from({ length: 10 }, (_, i) => seconds(2 ** i)),
      ...Array.from({ length: 3 }, () => minutes(10))
    ])
  })

  it.each([
    [minutes(5), seconds(4)],
    [minutes(10), seconds(1)]
  ])("when %i ms were quiet is %i ms", (quiet, wait) => {
    const path = grown()
    path.fall()
    path.rise()
    path.fall()
    path.rise()
    path.pass(quiet)
    path.fall()
    assert.strictEqual(path.rise(), wait)
    assert.strictEqual(path.size.current, 1_350)
  })
})

describe("a path that is trusted", () => {
  it("goes back to the largest size at once, without the steps between", () => {
    const path = new Path(16_383, true)
    path.fall()
    assert.deepStrictEqual([path.size.current, path.next], [1_200, 1_200])
    path.pass(seconds(1))
    assert.strictEqual(path.next, 16_383)
    path.probe()
    assert.strictEqual(path.size.current, 16_383)
  })

  it("goes up by the steps when the largest does not get through", () => {
    const path = new Path(16_383, true)
    path.fall()
    for (const wait of [seconds(1), seconds(1), seconds(2)]) {
      path.pass(wait)
      assert.strictEqual(path.next, 16_383)
      path.fail()
    }
    assert.strictEqual(path.next, 1_350)
    path.probe()
    assert.deepStrictEqual([path.size.current, path.next], [1_350, 1_452])
  })
})

describe("a peer that has moved", () => {
  it("is reached in the smallest packets at first, which grow by steps, however trusted the path was before", () => {
    const path = new Path(16_383, true)
    path.size.pathChanged()
    assert.deepStrictEqual([path.size.current, path.next], [1_200, 1_350])
  })

  it("is probed anew, after any earlier losses", () => {
    const path = new Path(1_350)
    for (let i = 0; i < 3; i++) {
      path.pass(seconds(2))
      path.fail()
    }
    assert.strictEqual(path.next, 1_200)
    path.size.pathChanged()
    assert.strictEqual(path.next, 1_350)
    path.fail()
    path.pass(seconds(1))
    path.send()
    assert.strictEqual(path.next, 1_200)
    // What is under way says nothing of the new path.
    path.size.pathChanged()
    assert.strictEqual(path.next, 1_350)
    path.fail()
    path.pass(seconds(1))
    assert.strictEqual(path.next, 1_350)
  })
})

describe("a size that the system refuses", () => {
  it("is not used again: within a machine the next smaller one is, at once", () => {
    const path = new Path(16_383, true)
    assert.strictEqual(path.next, 16_383)
    path.size.refused(16_383)
    assert.strictEqual(path.next, 8_952)
    path.send(40)
    path.pass(minutes(20))
    assert.strictEqual(path.next, 8_952)
    path.size.refused(8_952)
    assert.strictEqual(path.next, 1_452)
  })

  it("is not probed again over a network, where a smaller one is kept", () => {
    const path = new Path(8_952)
    path.probe()
    assert.strictEqual(path.size.current, 1_350)
    assert.strictEqual(path.next, 1_452)
    path.send(1)
    path.size.refused(1_452)
    assert.isFalse(path.size.isProbing)
    path.pass(minutes(20))
    assert.strictEqual(path.next, 1_350)
    assert.strictEqual(path.size.current, 1_350)
  })

  it("that had got through gives way to the smallest, and comes back with another path", () => {
    const path = new Path(1_452)
    path.probe()
    path.probe()
    assert.strictEqual(path.size.current, 1_452)
    path.size.refused(1_452)
    assert.strictEqual(path.size.current, 1_200)
    assert.strictEqual(path.next, 1_350)
    path.size.pathChanged()
    path.probe()
    assert.strictEqual(path.next, 1_452)
  })

  it("says nothing when it is the smallest, or one that is not used any more", () => {
    const path = new Path(16_383, true)
    path.size.refused(1_200)
    assert.strictEqual(path.next, 16_383)
    path.size.refused(16_383)
    // Others of the same batch are refused after it.
    path.size.refused(16_383)
    path.size.refused(16_300)
    assert.strictEqual(path.next, 8_952)
  })
})
