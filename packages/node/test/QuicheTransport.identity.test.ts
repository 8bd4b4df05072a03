/**
 * Who the peer is: keys on both sides, dials for one peer, and what leaves this side before a peer is admitted.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import { ApplicationClosed } from "@qp2p/core/Close"
import { PeerMismatch, PeerRefused, TransportError } from "@qp2p/core/ConnectionError"
import * as Identity from "@qp2p/core/Identity"
import { toPublicKey } from "@qp2p/core/PeerId"
import type { Peer as Asked } from "@qp2p/core/PeerPolicy"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { publicKeyInfo } from "../src/internal/binding/certificate.ts"
import * as packetHeader from "../src/internal/packets/packetHeader.ts"
import { element } from "../src/internal/binding/der.ts"
import { nameOf, validityOf } from "./support/certificates.ts"
import { forged, p256, rsa } from "./support/forgedCredentials.ts"
import { at, bind, connect, connected, type Dial, type Setup, text, until } from "./support/quicSockets.ts"
import { rawClient, rawServer } from "./support/nativePeers.ts"
import { relay } from "./support/udpPeers.ts"

/** The tag of a text that may have any bytes. */
const TELETEX_STRING = 0x14

const refusedByPeer = new ApplicationClosed({ code: 4, detail: "" })

/** The types of the packets in datagrams, in order. */
const kinds = (datagrams: ReadonlyArray<Uint8Array>): ReadonlyArray<string> =>
  datagrams
    .flatMap(packetHeader.splitDatagram)
    // What is behind an Initial packet may be zeros.
    .filter((packet) => packet[0] !== 0)
    .map((packet) =>
      packetHeader.isLongHeader(packet)
        ? ["Initial", "0-RTT", "Handshake", "Retry"][(packet[0]! & 0x30) >> 4]!
        : "1-RTT"
    )

const failure = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("the dial has failed", () => dial.failed.length > 0)
  assert.deepStrictEqual(dial.connected, [])
  assert.strictEqual(dial.failed.length, 1)
  return dial.failed[0]!
})

/** Enough time for what is held back to show, if it did not hold: then such a test fails, else it only takes longer. */
const aWhile = Effect.sleep("400 millis")

/** Questions that are answered when the test says so. */
class Questions {
  readonly asked: Array<Asked> = []
  readonly decisions: Array<(isAdmitted: boolean) => void> = []

  readonly onHandshake = (peer: Asked, decide: (isAdmitted: boolean) => void): void => {
    this.asked.push(peer)
    this.decisions.push(decide)
  }

  readonly until = (count: number) => until("it is asked", () => this.asked.length >= count)
}

/** A dial through a relay that records, of a client that sends a message with the end of its handshake. */
const recorded = Effect.fnUntraced(function* (options: {
  readonly client?: Setup
  readonly server?: Setup
  readonly expected?: Identity.Identity
}) {
  const server = yield* bind(options.server)
  const between = yield* relay(() => server.socket.address.port)
  between.recording = true
  const results: Array<unknown> = []
  const client = yield* bind({
    ...options.client,
    onPeer: (peer) => {
      peer.connection.openUni(0).write(text("rides along"), true, (reason) => void results.push(reason ?? "done"))
    }
  })
  const dial = client.dial(at(between.port), options.expected?.peerId)
  return { server, client, between, dial, results }
})

describe("both ends of a connection", () => {
  it.live("know the key of the other", () =>
    Effect.gen(function* () {
      const { client, far, near, server } = yield* connect()
      assert.strictEqual(near.connection.peerId, server.identity.peerId)
      assert.strictEqual(far.connection.peerId, client.identity.peerId)
      assert.notStrictEqual(server.identity.peerId, client.identity.peerId)
    })
  )

  it.live("may have one key: each is the other's peer, and its own", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      const { far, near } = yield* connect({ client: { identity }, server: { identity } })
      assert.deepStrictEqual([near.connection.peerId, far.connection.peerId], [identity.peerId, identity.peerId])
      const sent = near.send(text("to myself"))
      yield* until("confirmed", () => sent.results.length > 0)
      assert.deepStrictEqual(sent.results, ["done"])
    })
  )

  it.live("know it also when the client comes back with a ticket", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const credentials = yield* forged()
      const first = yield* rawClient(server.socket.address.port, { credentials: credentials.credentials })
      first.flush()
      yield* until("a ticket", () => first.native.session() !== null)
      const again = yield* rawClient(server.socket.address.port, { credentials: credentials.credentials })
      again.native.setSession(first.native.session()!)
      again.flush()
      yield* until("both connections", () => server.accepted.length === 2)
      assert.isTrue(again.native.isResumed())
      for (const { connection } of server.accepted) assert.strictEqual(connection.peerId, credentials.peerId)
    })
  )
})

describe("a dial for one peer", () => {
  it.live("connects to that peer", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const { dial } = yield* bind()
      const near = yield* connected(dial(server.socket.address, server.identity.peerId))
      assert.strictEqual(near.connection.peerId, server.identity.peerId)
    })
  )

  it.live("fails with PeerMismatch at another, which learns nothing: only Initial packets leave", () =>
    Effect.gen(function* () {
      const expected = yield* Identity.generate
      const questions = new Questions()
      const { between, client, dial, server } = yield* recorded({
        expected,
        server: { maxConnections: 1, onHandshake: questions.onHandshake },
        client: { onHandshake: questions.onHandshake }
      })
      const address = at(between.port)
      assert.deepStrictEqual(
        yield* failure(dial),
        new PeerMismatch({ expected: expected.peerId, actual: server.identity.peerId, address })
      )
      yield* aWhile
      // The first flight and the withdrawal. Both are full-sized, as Initial packets of clients have to be.
      assert.deepStrictEqual(kinds(between.toServer), ["Initial", "Initial"])
      assert.deepStrictEqual(
        between.toServer.map(({ length }) => length),
        [1_200, 1_200]
      )
      // Neither policy was asked about a peer that is not wanted.
      assert.deepStrictEqual(questions.asked, [])
      // The only place is free: the server has understood.
      const again = client.dial(address)
      yield* questions.until(1)
      assert.deepStrictEqual(again.failed, [])
    })
  )

  it.live("withdraws with the right keys after a Retry, too", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(undefined, { retry: true })
      const between = yield* relay(() => server.port)
      between.recording = true
      const { dial } = yield* bind()
      const error = yield* failure(dial(at(between.port), (yield* Identity.generate).peerId))
      assert.strictEqual(error._tag, "PeerMismatch")
      assert.deepStrictEqual(kinds(between.toClient.slice(0, 1)), ["Retry"])
      yield* until("the withdrawal", () => between.toServer.length === 3)
      assert.deepStrictEqual(kinds(between.toServer), ["Initial", "Initial", "Initial"])
      yield* until(
        "the server has understood",
        () => typeof server.peers[0]?.native.peerError()?.errorCode === "number"
      )
      assert.deepInclude(server.peers[0]!.native.peerError(), { isApp: false, errorCode: 12 })
    })
  )

  it.live("is not fooled by a certificate with the expected key info in its subject", () =>
    Effect.gen(function* () {
      const victim = yield* Identity.generate
      const spki = publicKeyInfo(toPublicKey(victim.peerId))
      const { credentials, peerId } = yield* forged({ subject: nameOf(element(TELETEX_STRING, spki)) })
      const server = yield* rawServer(undefined, { credentials })
      const { dial } = yield* bind()
      const address = at(server.port)
      assert.deepStrictEqual(
        yield* failure(dial(address, victim.peerId)),
        new PeerMismatch({ expected: victim.peerId, actual: peerId, address })
      )
    })
  )
})

describe("a peer whose certificate has its key and is odd in other ways", () => {
  const odd = Effect.gen(function* () {
    const victim = yield* Identity.generate
    const spki = publicKeyInfo(toPublicKey(victim.peerId))
    return {
      victim,
      certificates: [
        yield* forged({ validity: validityOf(1990, 1991) }),
        yield* forged({ validity: validityOf(9000, 9999) }),
        // It ends before it begins.
        yield* forged({ validity: validityOf(2100, 2000) }),
        yield* forged({ subject: nameOf(element(TELETEX_STRING, spki)) })
      ]
    }
  })

  it.live("is dialled as the peer that it is: expired, not valid yet, or with another's key in its subject", () =>
    Effect.gen(function* () {
      const { certificates, victim } = yield* odd
      for (const { credentials, peerId } of certificates) {
        const server = yield* rawServer(undefined, { credentials })
        const { dial } = yield* bind()
        const address = at(server.port)
        const near = yield* connected(dial(address, peerId))
        assert.strictEqual(near.connection.peerId, peerId)
        const second = yield* rawServer(undefined, { credentials })
        const other = at(second.port)
        assert.deepStrictEqual(
          yield* failure(dial(other, victim.peerId)),
          new PeerMismatch({ expected: victim.peerId, actual: peerId, address: other })
        )
      }
    })
  )

  it.live("is accepted as the peer that it is: expired, not valid yet, or with another's key in its subject", () =>
    Effect.gen(function* () {
      const { certificates } = yield* odd
      const server = yield* bind()
      for (const [i, { credentials }] of certificates.entries()) {
        const client = yield* rawClient(server.socket.address.port, { credentials })
        client.flush()
        yield* until("it is accepted", () => server.accepted.length > i)
      }
      assert.deepStrictEqual(
        server.accepted.map(({ connection }) => connection.peerId),
        certificates.map(({ peerId }) => peerId)
      )
    })
  )
})

describe("a server whose first flight takes several datagrams", () => {
  it.live("gets acknowledgements of it, and no certificate when it is the wrong peer", () =>
    Effect.gen(function* () {
      const subject = nameOf(element(TELETEX_STRING, new Uint8Array(6_000)))
      const { credentials, peerId } = yield* forged({ subject })
      const server = yield* rawServer(undefined, { credentials })
      const between = yield* relay(() => server.port)
      between.recording = true
      const { dial } = yield* bind()
      const [address, expected] = [at(between.port), (yield* Identity.generate).peerId]
      assert.deepStrictEqual(
        yield* failure(dial(address, expected)),
        new PeerMismatch({ expected, actual: peerId, address })
      )
      yield* aWhile
      assert.isAbove(between.toClient.length, 3)
      // Nothing but Handshake packets with acknowledgements has left before the whole certificate had come.
      const handshakes = between.toServer
        .flatMap(packetHeader.splitDatagram)
        .filter((packet) => kinds([packet])[0] === "Handshake")
      for (const packet of handshakes) assert.isBelow(packet.length, 100)
      const { native } = server.peers[0]!
      assert.deepStrictEqual([native.isEstablished(), native.peerCertChain()], [false, null])
    })
  )
})

describe("a peer whose certificate names nobody", () => {
  const twice = { code: 0x12a, detail: "there are 2 certificates instead of one" }

  it.live("fails the dial with the alert of TLS, and is shown nothing", () =>
    Effect.gen(function* () {
      const { credentials } = yield* forged({ chain: 2 })
      const server = yield* rawServer(undefined, { credentials })
      const between = yield* relay(() => server.port)
      between.recording = true
      const { dial } = yield* bind()
      const peer = at(between.port)
      assert.deepStrictEqual(yield* failure(dial(peer)), new TransportError({ peer, ...twice }))
      assert.deepStrictEqual(new Set(kinds(between.toServer)), new Set(["Initial"]))
    })
  )

  it.live("fails the dial when it has another kind of key", () =>
    Effect.gen(function* () {
      for (const credentials of [p256(), rsa()]) {
        const server = yield* rawServer(undefined, { credentials, tls: "any algorithm" })
        const { dial } = yield* bind()
        const peer = at(server.port)
        // CRYPTO_ERROR + handshake_failure: there is no signature algorithm that both sides have.
        assert.deepStrictEqual(yield* failure(dial(peer)), new TransportError({ peer, code: 0x128, detail: "" }))
      }
    })
  )

  it.live("is not accepted, and hears the alert: with none, with other kinds of keys, and with several", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      const server = yield* bind({ onHandshake: questions.onHandshake })
      const several = yield* forged({ chain: 2 })
      const ends: Array<unknown> = []
      for (const options of [
        { tls: "no certificate" } as const,
        { credentials: p256(), tls: "any algorithm" } as const,
        { credentials: rsa(), tls: "any algorithm" } as const,
        { credentials: several.credentials }
      ]) {
        const client = yield* rawClient(server.socket.address.port, options)
        let written = false
        client.onPacket = () => {
          if (written || !client.native.isEstablished() || client.native.isDraining()) return
          written = true
          client.native.streamSend(2, text("let me in"), true)
        }
        client.flush()
        yield* until("the end", () => client.native.peerError() !== null || client.native.localError() !== null)
        const { errorCode, isApp } = (client.native.peerError() ?? client.native.localError())!
        // What it sent was not acknowledged.
        ends.push([isApp, errorCode, written ? client.native.streamSend(2, new Uint8Array(0), true) : "not sent"])
      }
      assert.deepStrictEqual(ends, [
        // certificate_required, after what the client took for a complete handshake.
        [false, 0x174, 0],
        [false, 0x128, "not sent"],
        [false, 0x128, "not sent"],
        [false, 0x12a, 0]
      ])
      assert.deepStrictEqual([server.accepted, questions.asked], [[], []])
    })
  )
})

describe("a policy that has not answered", () => {
  it.live("keeps an acceptor silent: it acknowledges nothing, and surfaces nothing, until it has", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      const { between, client, dial, results, server } = yield* recorded({
        server: { onHandshake: questions.onHandshake }
      })
      const near = yield* connected(dial)
      yield* questions.until(1)
      const { address, direction, peerId } = questions.asked[0]!
      assert.deepStrictEqual([peerId, direction], [client.identity.peerId, "Inbound"])
      assert.deepStrictEqual(address, at(between.ports[0]!))
      const flight = between.toClient.length
      assert.strictEqual(flight, 1)
      // The message has come with the end of the handshake.
      assert.includeMembers([...kinds(between.toServer)], ["Handshake", "1-RTT"])
      yield* aWhile
      // The dialler has asked again and again.
      assert.isAbove(between.toServer.length, 3)
      assert.strictEqual(between.toClient.length, flight)
      assert.deepStrictEqual([results, server.accepted, near.acceptances], [[], [], []])
      assert.isFalse(near.connection.isAccepted)

      questions.decisions[0]!(true)
      yield* until("the message is confirmed", () => results.length > 0)
      yield* until("the message has arrived", () => server.accepted[0]?.filled[0]?.text === "rides along")
      assert.deepStrictEqual([results, near.acceptances], [["done"], [true]])
      assert.isTrue(near.connection.isAccepted)
      assert.isTrue(server.accepted[0]!.connection.isAccepted)
      assert.deepStrictEqual(server.accepted[0]!.acceptances, [])
    })
  )

  it.live("and then refuses: one packet, and the message that rode along was never acknowledged", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      const { between, dial, results, server } = yield* recorded({ server: { onHandshake: questions.onHandshake } })
      const near = yield* connected(dial)
      yield* questions.until(1)
      yield* aWhile
      const flight = between.toClient.length
      questions.decisions[0]!(false)
      yield* until("the end", () => near.closes.length > 0)
      assert.deepStrictEqual(near.closes, [refusedByPeer])
      assert.deepStrictEqual(results, [refusedByPeer])
      assert.deepStrictEqual([near.acceptances, server.accepted], [[], []])
      assert.isFalse(near.connection.isAccepted)
      const answers = between.toClient.slice(flight)
      assert.deepStrictEqual(kinds(answers.slice(0, 1)), ["1-RTT"])
      // Late packets of the dialler are answered with copies.
      for (const answer of answers) assert.deepStrictEqual(answer, answers[0])
    })
  )

  it.live("refuses at once: the message that rode along fails, and nothing else comes than that one packet", () =>
    Effect.gen(function* () {
      const { between, dial, results, server } = yield* recorded({
        server: { onHandshake: (_peer, decide) => decide(false) }
      })
      const near = yield* connected(dial)
      yield* until("the end", () => near.closes.length > 0)
      assert.deepStrictEqual([near.closes, results, server.accepted], [[refusedByPeer], [refusedByPeer], []])
      const refusal = between.toClient.findIndex((datagram) => !packetHeader.isLongHeader(datagram))
      assert.deepStrictEqual(kinds(between.toClient.slice(0, refusal + 1)), ["Initial", "Handshake", "1-RTT"])
      assert.isBelow(between.toClient[refusal]!.length, 60)
      // Packets that the dialler has sent before it arrived are answered with copies.
      for (const copy of between.toClient.slice(refusal)) assert.deepStrictEqual(copy, between.toClient[refusal])
    })
  )

  it.live("keeps a dialler silent: nothing of its certificate leaves until it has", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      const { between, dial, results, server } = yield* recorded({ client: { onHandshake: questions.onHandshake } })
      yield* questions.until(1)
      const { address, direction, peerId } = questions.asked[0]!
      assert.deepStrictEqual([peerId, direction], [server.identity.peerId, "Outbound"])
      assert.deepStrictEqual(address, at(between.port))
      yield* aWhile
      assert.deepStrictEqual(kinds(between.toServer), ["Initial"])
      assert.deepStrictEqual([dial.connected, dial.failed], [[], []])
      questions.decisions[0]!(true)
      const near = yield* connected(dial)
      yield* until("the message is confirmed", () => results.length > 0)
      assert.deepStrictEqual([results, near.acceptances], [["done"], [true]])
    })
  )

  it.live("and then refuses a dial: it fails with PeerRefused, and only Initial packets have left", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      const { between, dial, server } = yield* recorded({ client: { onHandshake: questions.onHandshake } })
      yield* questions.until(1)
      questions.decisions[0]!(false)
      const { peerId } = server.identity
      assert.deepStrictEqual(yield* failure(dial), new PeerRefused({ peerId, address: at(between.port), by: "Local" }))
      yield* aWhile
      assert.deepStrictEqual(kinds(between.toServer), ["Initial", "Initial"])
      assert.deepStrictEqual(server.accepted, [])
    })
  )

  it.live("never answers: the handshake timeout refuses, on either side", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      const silent: Setup = { onHandshake: questions.onHandshake, handshakeTimeout: Duration.millis(300) }
      const inbound = yield* recorded({ server: silent })
      const near = yield* connected(inbound.dial)
      yield* until("the end", () => near.closes.length > 0)
      assert.deepStrictEqual([near.closes, inbound.results], [[refusedByPeer], [refusedByPeer]])
      const outbound = yield* recorded({ client: silent })
      const { peerId } = outbound.server.identity
      assert.deepStrictEqual(
        yield* failure(outbound.dial),
        new PeerRefused({ peerId, address: at(outbound.between.port), by: "Local" })
      )
      assert.deepStrictEqual(new Set(kinds(outbound.between.toServer)), new Set(["Initial"]))
      assert.strictEqual(questions.asked.length, 2)
      // Nobody waits any more.
      for (const decide of questions.decisions) decide(true)
      yield* aWhile
      assert.deepStrictEqual([inbound.server.accepted, outbound.server.accepted], [[], []])
    })
  )

  it.live("answers when the connection has ended, or twice, or throws", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      const server = yield* bind({ onHandshake: questions.onHandshake })
      const ended = yield* connected((yield* bind()).dial(server.socket.address))
      yield* questions.until(1)
      ended.connection.close(0, "never mind")
      const canceller = yield* bind({ onHandshake: questions.onHandshake })
      const cancelled = canceller.dial(server.socket.address)
      yield* questions.until(2)
      cancelled.cancel()
      const twice = yield* connected((yield* bind()).dial(server.socket.address))
      yield* questions.until(3)
      for (const decide of questions.decisions.slice(0, 2)) decide(true)
      questions.decisions[2]!(true)
      questions.decisions[2]!(false)
      yield* until("the acceptance", () => twice.acceptances.length > 0)
      const thrice = yield* connected((yield* bind()).dial(server.socket.address))
      yield* questions.until(4)
      questions.decisions[3]!(false)
      questions.decisions[3]!(true)
      yield* until("the refusal", () => thrice.closes.length > 0)
      assert.deepStrictEqual(thrice.closes, [refusedByPeer])
      assert.deepStrictEqual([cancelled.connected, cancelled.failed], [[], []])

      const broken = yield* bind({
        onHandshake: ({ peerId }, decide) => {
          if (peerId !== canceller.identity.peerId) throw new Error("a defect")
          decide(true)
        }
      })
      const refused = yield* connected((yield* bind()).dial(broken.socket.address))
      const admitted = canceller.dial(broken.socket.address)
      yield* questions.until(5)
      questions.decisions[4]!(true)
      const near = yield* connected(admitted)
      yield* until("the end of one", () => refused.closes.length > 0)
      yield* until("the acceptance of the other", () => near.acceptances.length > 0)
      assert.deepStrictEqual([refused.closes, near.closes], [[refusedByPeer], []])
      // Of those that were admitted, one had not ended: its key is the last.
      assert.deepStrictEqual(
        [server.accepted, broken.accepted].map((peers) => peers.length),
        [1, 1]
      )
    })
  )

  it.live("holds no more connections than there may be, each until it is decided", () =>
    Effect.gen(function* () {
      const questions = new Questions()
      // A tenth of them is for dials of the server's own.
      const server = yield* bind({ maxConnections: 166, onHandshake: questions.onHandshake })
      const client = yield* bind()
      const dials: Array<Dial> = []
      for (let i = 0; i < 250; i++) {
        dials.push(client.dial(server.socket.address))
        if (i % 50 === 49)
          yield* until("all are over", () => dials.every((d) => d.connected.length + d.failed.length > 0))
      }
      assert.deepStrictEqual([questions.asked.length, server.accepted.length], [150, 0])
      for (const { failed } of dials.slice(150)) assert.strictEqual(failed[0]?._tag, "TransportError")
      for (const [i, decide] of questions.decisions.entries()) decide(i % 2 === 0)
      yield* until("all are decided", () =>
        dials.slice(0, 150).every(({ connected: [near] }) => near!.acceptances.length + near!.closes.length === 1)
      )
      assert.strictEqual(server.accepted.length, 75)
      assert.deepStrictEqual(
        dials.flatMap(({ connected: [near] }) => near?.closes ?? []),
        Array.from({ length: 75 }, () => refusedByPeer)
      )
      // The places of those that were refused are free.
      const again = yield* connected(client.dial(server.socket.address))
      yield* questions.until(151)
      assert.deepStrictEqual(again.closes, [])
    })
  )
})
