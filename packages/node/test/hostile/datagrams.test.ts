import { describe, it } from "vitest"
import { attacked } from "./measure/attacked.ts"

describe("the node drops what its program does not read, and serves the honest peer, under", () => {
  it("datagrams as large as packets", () => attacked("datagrams as large as packets"))
  it("300 datagrams of a byte in each packet", () => attacked("datagrams of a byte"))
  it("300 datagrams of an unknown kind in each packet", () => attacked("datagrams of unknown kinds"))
  it("300 datagrams without bytes in each packet", () => attacked("datagrams without bytes"))
  it("more datagrams in each packet than any peer sends", () =>
    attacked("more datagrams in each packet than any peer sends"))
})
