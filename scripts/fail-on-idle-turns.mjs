/**
 * Loaded by every test process, and by every program that a test starts: a connection of the QUIC driver that asks for turn
 * after turn without doing anything is an uncaught exception there, and so a failure.
 */
import { subscribe } from "node:diagnostics_channel"

subscribe("qp2p:idle-turns", (message) => {
  const failure = new Error("a connection had two turns in a row without any work", { cause: message })
  setImmediate(() => {
    throw failure
  })
})
