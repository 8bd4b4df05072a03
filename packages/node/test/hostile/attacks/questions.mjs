/** Questions, as many as a node takes: to the endpoint, and to its program. */
import { paced } from "../kit/pace.mjs"
import { connect } from "../kit/peer.mjs"
import * as ports from "../kit/port.mjs"
import * as wire from "../kit/wire.mjs"
import { nothing, openStreams } from "./flood.mjs"

/** Ports of the attacker's own where nobody answers. */
const silentPorts = 64

/** Has the node verify ports that never answer, one question for each at a time. */
const silentVerification = async ({ hosts, node, seconds }) => {
  const silent = await Promise.all(Array.from({ length: silentPorts }, () => ports.open(hosts(0))))
  const peer = await connect(node, { host: hosts(0), honest: true })
  let id = 0
  let questions = 0
  await paced(Math.max(seconds, 8), silentPorts / 2, (i) => {
    try {
      peer.native.streamSend(id, wire.verificationQuestion(hosts(0), silent[i % silentPorts].number), true)
      id += 4
      questions += 1
    } catch {
      // No stream credit.
    }
    peer.flush()
  })
  peer.vanish()
  return { questions, "dials of silent ports": silent.filter(({ heard }) => heard.packets > 0).length }
}

const garbage = Buffer.from("this is not a frame of qp2p, and so the stream is stopped")

export const attacks = {
  "ports that never answer, to be verified": { run: silentVerification },
  "echo questions": {
    run: (context) => openStreams(context, { isBidirectional: true, bytes: () => wire.echoQuestion })
  },
  questions: {
    run: (context) => openStreams(context, { isBidirectional: true, bytes: (i) => wire.question(`${i}`) })
  },
  messages: { run: (context) => openStreams(context, { bytes: () => wire.message(Buffer.alloc(100)) }) },
  "streams without bytes": { run: (context) => openStreams(context, { bytes: nothing }) },
  "streams of garbage": { run: (context) => openStreams(context, { bytes: () => garbage }) }
}
