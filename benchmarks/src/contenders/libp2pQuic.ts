import { libp2p } from "./libp2p/contender.ts"

export const contender = libp2p("libp2p-quic", "quic", "message")
