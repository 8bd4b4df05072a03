/**
 * Endpoints on a network, and all that a program may do with them. What comes of it is written down in the journal.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Bootstrap from "@qp2p/core/Bootstrap"
import type { Connection } from "@qp2p/core/Connection"
import { ConnectionId } from "@qp2p/core/ConnectionId"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as PortMapper from "@qp2p/core/PortMapper"
import { Transport } from "@qp2p/core/Transport"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import { Journal, type Life, type Operation, pairOf } from "./journal.ts"
import type { Rig } from "./rig.ts"
import { spied } from "./spy.ts"
import { Calls } from "./calls.ts"
import { forever, Traffic } from "./traffic.ts"

export class World {
  readonly journal = new Journal()
  readonly rig: Rig
  readonly size: number
  private readonly config: EndpointConfig.Input
  private readonly here: Array<Life | undefined>
  private readonly cuts = new Set<string>()
  private readonly silent = new Set<number>()
  /** What the applications send each other. */
  readonly traffic = new Traffic(this)
  /** What they ask each other in protocols. */
  readonly calls = new Calls(this)
  /** Turns that the next step gets, before the one after it begins. */
  private turns = Infinity

  constructor(rig: Rig, size: number, config: EndpointConfig.Input) {
    this.rig = rig
    this.size = size
    this.config = config
    this.here = Array.from({ length: size })
  }

  at(slot: number): Life | undefined {
    return this.here[slot]
  }

  get living(): ReadonlyArray<Life> {
    return this.here.filter((life) => life !== undefined)
  }

  // --- time --------------------------------------------------------------------------------------------------------

  /** Lets happen what the last call has set off. The next step begins when all of it has happened. */
  async settle(): Promise<boolean> {
    const limit = this.turns
    this.turns = Infinity
    if (!(await this.rig.drain(limit))) {
      this.journal.now.rushed = true
      return false
    }
    this.journal.next(
      this.here.flatMap((life, slot) => (life === undefined ? [slot] : [])),
      this.cuts,
      this.silent
    )
    return true
  }

  /** The next step follows after so many turns of the scheduler. */
  hurry(turns: number): void {
    this.turns = turns
  }

  readonly pass = (millis: number): Promise<void> => this.rig.pass(millis)

  // --- endpoints ---------------------------------------------------------------------------------------------------

  async start(slot: number): Promise<void> {
    const { journal, rig } = this
    const name = `${slot}.${journal.lives.filter((life) => life.slot === slot).length}`
    const spy = spied(rig.transport(slot), name, () => journal.step)
    const scope = Scope.makeUnsafe()
    let pool: ConnectionPool.Pool | undefined
    const layer = Endpoint.layerWithoutDependencies({
      identity: TestIdentity.make(rig.addressOf(slot)),
      localAddress: rig.addressOf(slot),
      config: this.config
    }).pipe(
      Layer.provide([
        Layer.succeed(Transport, spy.transport),
        Layer.succeed(ConnectionPool.ConnectionPool, {
          open: Effect.tap(ConnectionPool.make, (opened) => Effect.sync(() => void (pool = opened)))
        }),
        Layer.succeed(ConnectionId, spy.nameOf),
        Layer.effect(Bootstrap.Bootstrap, Bootstrap.make),
        PortMapper.layerNone
      ])
    )
    const fiber = this.fork(Layer.buildWithScope(layer, scope))
    await this.awaited(fiber, `the start of ${name}`)
    const services = await Effect.runPromise(Fiber.join(fiber))
    const life: Life = {
      name,
      slot,
      address: rig.addressOf(slot),
      endpoint: services.mapUnsafe.get(Endpoint.Endpoint.key) as Endpoint.Endpoint["Service"],
      scope,
      pool: pool!,
      ends: spy.ends,
      dials: spy.dials,
      startedAt: journal.step,
      endedAt: Infinity,
      end: undefined,
      reader: undefined,
      takers: [],
      handles: [],
      told: [],
      disconnections: []
    }
    journal.lives.push(life)
    this.here[slot] = life
    this.silent.delete(slot)
    this.read(life)
    await this.awaited(this.fork(this.calls.serve(life)), `the protocol of ${name}`)
    const { nextConnection, nextDatagram, nextDisconnection } = life.endpoint
    life.takers.push(
      this.fork(forever(nextDatagram, (datagram) => this.traffic.takeDatagram(life, datagram))),
      this.fork(
        forever(nextConnection, (connection) => {
          life.told.push(connection.id)
          life.handles.push(connection)
        })
      ),
      this.fork(
        forever(nextDisconnection, ({ connectionId: id, peer, reason }) => {
          life.disconnections.push({ id, peer: NetAddress.formatInet(peer), reason })
        })
      )
    )
  }

  /** Ends an endpoint properly; what has arrived is taken. */
  async close(slot: number): Promise<void> {
    const life = this.leave(slot, "closed")
    const closing = this.fork(Effect.andThen(life.endpoint.close, Scope.close(life.scope, Exit.void)))
    await this.awaited(closing, `the end of ${life.name}`)
    this.read(life)
  }

  /** An endpoint is gone without a word, and with it all that the application knew. */
  async crash(slot: number): Promise<void> {
    const life = this.leave(slot, "crashed")
    await this.rig.silently(slot, async () => {
      const fibers = this.journal.operations.flatMap(({ by, fiber }) =>
        by === life && fiber !== undefined ? [fiber] : []
      )
      for (const fiber of [...fibers, ...life.takers, life.reader]) fiber?.interruptUnsafe()
      await this.awaited(this.fork(Scope.close(life.scope, Exit.void)), `the crash of ${life.name}`)
      await this.rig.drain()
    })
  }

  private leave(slot: number, end: "closed" | "crashed"): Life {
    const life = this.here[slot]!
    this.here[slot] = undefined
    this.journal.now.down.add(slot)
    life.end = end
    life.endedAt = this.journal.step
    return life
  }

  /** Takes messages, from now on. */
  read(life: Life): void {
    if (life.reader !== undefined) return
    this.silent.delete(life.slot)
    const next = Effect.map(life.endpoint.nextMessage, (message) => this.traffic.take(life, message))
    // Whoever stops waiting for a message must not take one with it.
    const glimpse = (turns: number) =>
      Effect.raceFirst(
        next,
        Effect.forEach(Array.from({ length: turns }), () => Effect.yieldNow, { discard: true })
      )
    life.reader = this.fork(
      Effect.forever(Effect.andThen(next, Effect.andThen(glimpse(this.journal.step % 3), glimpse(3))))
    )
  }

  /** Takes no more messages. */
  stopReading(life: Life): void {
    if (life.reader === undefined) return
    this.silent.add(life.slot)
    this.journal.now.silent.add(life.slot)
    life.reader.interruptUnsafe()
    life.reader = undefined
  }

  // --- the network -------------------------------------------------------------------------------------------------

  async partition(from: number, to: number, bothWays: boolean): Promise<void> {
    this.cuts.add(pairOf(from, to))
    this.journal.now.cut.add(pairOf(from, to))
    await this.rig.partition(from, to, bothWays)
  }

  async heal(): Promise<void> {
    this.cuts.clear()
    await this.rig.heal()
  }

  async kill(a: number, b: number): Promise<void> {
    this.journal.now.broken.push(pairOf(a, b))
    await this.rig.kill!(a, b)
  }

  // --- what an application does ------------------------------------------------------------------------------------

  connect(life: Life, to: number): void {
    this.operate(life, to, `connect ${life.name} to ${to}`, this.connected(life, to))
  }

  disconnect(life: Life, to: number): void {
    this.journal.now.broken.push(pairOf(life.slot, to))
    this.operate(life, to, `disconnect ${life.name} from ${to}`, life.endpoint.disconnectFrom(this.rig.addressOf(to)))
  }

  closeConnection(life: Life, connection: Connection): void {
    const to = this.slotOf(NetAddress.formatInet(connection.remoteAddress))
    this.journal.now.broken.push(pairOf(life.slot, to))
    this.operate(life, to, `close ${connection.id}`, connection.close())
  }

  interrupt(operation: Operation): void {
    operation.interrupted = true
    operation.fiber?.interruptUnsafe()
  }

  /** The connection that `life` would use with the endpoint at `slot`. */
  currentOf(life: Life, slot: number): ConnectionId | undefined {
    return Option.getOrUndefined(Effect.runSync(life.endpoint.connectionId(this.rig.addressOf(slot))))
  }

  get pending(): ReadonlyArray<Operation> {
    return this.journal.operations.filter(({ exit }) => exit === undefined)
  }

  slotOf(address: string): number {
    for (let slot = 0; slot < this.size; slot++) if (this.rig.addressOf(slot) === address) return slot
    return -1
  }

  // --- in the background -------------------------------------------------------------------------------------------

  readonly connected = (life: Life, to: number) =>
    Effect.tap(life.endpoint.connectTo(this.rig.addressOf(to)), (connection) =>
      Effect.sync(() => {
        const { journal, rig } = this
        if (NetAddress.formatInet(connection.remoteAddress) !== rig.addressOf(to)) {
          journal.violations.push(`${life.name} has connected to ${connection.remoteAddress} instead of ${to}`)
        }
        if (!life.handles.includes(connection)) life.handles.push(connection)
      })
    )

  operation(by: Life, peer: number, name: string): Operation {
    const { operations, step } = this.journal
    const operation: Operation = {
      name,
      by,
      peer,
      startedAt: step,
      fiber: undefined,
      interrupted: false,
      endedAt: Infinity,
      exit: undefined
    }
    operations.push(operation)
    return operation
  }

  private operate(by: Life, peer: number, name: string, effect: Effect.Effect<unknown, unknown>): void {
    this.run(this.operation(by, peer, name), effect)
  }

  run(operation: Operation, effect: Effect.Effect<unknown, unknown>): void {
    operation.fiber = this.fork(effect)
    operation.fiber.addObserver((exit) => {
      operation.exit = exit
      operation.endedAt = this.journal.step
    })
  }

  private fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.rig.context)(effect)
  }

  private async awaited(fiber: Fiber.Fiber<unknown, unknown>, what: string): Promise<void> {
    const { exact } = this.rig
    for (let tries = 0; tries < 5_000 && fiber.pollUnsafe() === undefined; tries++) {
      await this.rig.drain(exact ? 10 : undefined)
    }
    const exit = fiber.pollUnsafe()
    if (exit === undefined) throw new Error(`${what} takes for ever`)
    if (Exit.isFailure(exit)) throw new Error(`${what} fails`, { cause: exit.cause })
  }
}
