/**
 * The rooms of the QUIC driver: which folder may import from which, and that no files import each other in a circle. Imports of
 * types count, too: they show who owns state. So does what may use the states that a sending stream carries.
 */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize, sep } from "node:path"
import { fileURLToPath } from "node:url"

/** The rooms that each room may import from, beside itself and `tunables`. */
const below: Record<string, ReadonlyArray<string>> = {
  socket: ["connection", "streams", "path", "packets", "binding", "udp"],
  connection: ["streams", "path", "packets", "binding", "udp"],
  streams: ["packets", "binding"],
  path: ["packets", "binding", "udp"],
  packets: ["binding"],
  binding: ["identity"],
  udp: [],
  identity: [],
  tunables: []
}

/** The files of a program, and what they import of each other. */
type Imports = ReadonlyMap<string, ReadonlyArray<string>>

/** `socket` for `socket/loop.ts`, and `""` for a file that is in no room. */
const roomOf = (file: string): string => (file.includes("/") ? file.slice(0, file.indexOf("/")) : "")

const importsOf = (file: string, text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']/gu), ([, target]) =>
    normalize(join(dirname(file), target!))
      .split(sep)
      .join("/")
  )

/** Imports that lead out of a room by a way that there is not. */
const wrongArrows = (imports: Imports): ReadonlyArray<string> =>
  Array.from(imports).flatMap(([file, targets]) =>
    targets.flatMap((target) => {
      const [from, to] = [roomOf(file), roomOf(target)]
      const isRight = from !== "" && (from === to || to === "tunables" || below[from]?.includes(to) === true)
      return isRight ? [] : [`${file} → ${target}`]
    })
  )

/** Files that import each other, each circle once, as it is found. */
const circles = (imports: Imports): ReadonlyArray<string> => {
  const found: Array<string> = []
  const done = new Set<string>()
  const visit = (file: string, path: ReadonlyArray<string>): void => {
    if (path.includes(file)) return void found.push([...path.slice(path.indexOf(file)), file].join(" → "))
    if (done.has(file)) return
    for (const target of imports.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
  return found
}

const root = fileURLToPath(new URL("../src/internal", import.meta.url))

const driver: Imports = new Map(
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((file) => file.split(sep).join("/"))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => [file, importsOf(file, readFileSync(join(root, file), "utf8"))])
)

describe("the rooms of the driver", () => {
  it("are those of the table, and none is empty", () => {
    const rooms = new Set(Array.from(driver.keys(), roomOf).filter((room) => room !== ""))
    assert.sameMembers([...rooms], Object.keys(below))
    assert.isAbove(driver.size, 50)
    assert.isAbove(Array.from(driver.values()).flat().length, 150)
  })

  it("import only from rooms below them", () => {
    assert.deepStrictEqual(wrongArrows(driver), [])
  })

  it("have no files that import each other in a circle", () => {
    assert.deepStrictEqual(circles(driver), [])
  })
})

/** The state on `SendStream` that each of these files keeps, and alone uses. */
const keepers: Record<string, string> = {
  ackState: "streams/acknowledgements.ts",
  creditState: "streams/peerCredit.ts",
  inferenceState: "streams/ackInference.ts"
}

/** Uses of a state in other files than its keeper's. A declaration with `readonly` is none, nor is the name of a file. */
const strangers = (file: string, text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/(readonly )?\b(\w+State)\b(?!\.ts)/gu)).flatMap(([, declared, name]) =>
    declared === undefined && Object.hasOwn(keepers, name!) && keepers[name!] !== file ? [`${file} uses ${name}`] : []
  )

describe("the states on a sending stream", () => {
  const texts = Array.from(driver.keys(), (file) => [file, readFileSync(join(root, file), "utf8")] as const)

  it("are used by their keepers alone", () => {
    assert.deepStrictEqual(
      texts.flatMap(([file, text]) => strangers(file, text)),
      []
    )
    for (const [state, keeper] of Object.entries(keepers)) {
      assert.include(readFileSync(join(root, keeper), "utf8"), `.${state}`)
    }
  })

  it("are found where they are used by others", () => {
    assert.deepStrictEqual(strangers("streams/outgoing.ts", "stream.ackState.finPacket = 1"), [
      "streams/outgoing.ts uses ackState"
    ])
    assert.deepStrictEqual(strangers("streams/a.ts", "readonly creditState = 1\nconst { creditState } = stream"), [
      "streams/a.ts uses creditState"
    ])
    assert.deepStrictEqual(strangers("streams/peerCredit.ts", "stream.creditState.isBacklogLimited = true"), [])
  })
})

describe("what the table does not allow", () => {
  const program = (files: Record<string, string>): Imports =>
    new Map(Object.entries(files).map(([file, text]) => [file, importsOf(file, text)]))

  it("is found in every kind of import", () => {
    const up = program({
      "streams/a.ts":
        'import { b } from "../connection/b.ts"\nimport { c } from "./c.ts"\nimport * as tunables from "../tunables/t.ts"',
      "streams/c.ts": 'import type { d } from "../path/d.ts"\nexport { e } from "../packets/e.ts"',
      "packets/e.ts": 'const f = await import("../udp/f.ts")\nimport {\n  g\n} from "../../QuicheTransport.ts"',
      "tunables/t.ts": 'import { u } from "./u.ts"\nimport "../binding/h.ts"'
    })
    assert.deepStrictEqual(wrongArrows(up), [
      "streams/a.ts → connection/b.ts",
      "streams/c.ts → path/d.ts",
      "packets/e.ts → udp/f.ts",
      "packets/e.ts → ../QuicheTransport.ts",
      "tunables/t.ts → binding/h.ts"
    ])
  })

  it("is a circle of any length, of types as well", () => {
    const round = program({
      "path/a.ts": 'import type { b } from "./b.ts"',
      "path/b.ts": 'import { c } from "./c.ts"\nimport { d } from "./d.ts"',
      "path/c.ts": 'import type { a } from "./a.ts"',
      "path/d.ts": 'import { d } from "./d.ts"'
    })
    assert.deepStrictEqual(circles(round), ["path/a.ts → path/b.ts → path/c.ts → path/a.ts", "path/d.ts → path/d.ts"])
  })
})
