import { assert, describe, it } from "vitest"
import * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as Duration from "effect/Duration"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { type Document, documents, files, read, resolve, root } from "./markdown.ts"

/** What `check` finds in each line of a document, with the line that it is in. */
const find = (
  { path, prose }: Pick<Document, "path" | "prose">,
  pattern: RegExp,
  check: (match: RegExpExecArray) => string | undefined
): ReadonlyArray<string> =>
  prose.flatMap((line, i) =>
    [...line.matchAll(pattern)].flatMap((match) => {
      const problem = check(match)
      return problem === undefined ? [] : [`${path}:${i + 1}: ${problem}`]
    })
  )

/** The document with the lines of its blocks in place of its prose. */
const shell = ({ blocks, path }: Document, languages: ReadonlyArray<string>): Pick<Document, "path" | "prose"> => {
  const prose: Array<string> = []
  for (const { code, language, line } of blocks) {
    if (languages.includes(language)) for (const [i, text] of code.split("\n").entries()) prose[line - 1 + i] = text
  }
  return { path, prose: Array.from(prose, (line) => line ?? "") }
}

/** A source file with the lines of its comments in place of its prose. */
const commentsOf = (path: string, text: string): Pick<Document, "path" | "prose"> => ({
  path,
  prose: text.split(/\r?\n/u).map((line) => (/^\s*(?:\/\*\*|\*|\/\/)/u.test(line) ? line : ""))
})

/** As GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/gu, "-")

const anchorsOf = (path: string): ReadonlyArray<string> =>
  (documents.find((document) => document.path === path)?.prose ?? [])
    .map((line) => /^#{1,6} (.+)$/u.exec(line)?.[1])
    .filter((heading) => heading !== undefined)
    .map(anchorOf)

const checkLink = (from: string, link: string): string | undefined => {
  const [target, anchor] = link.split("#") as [string, string?]
  const path = target === "" ? from : resolve(from, target)
  if (path.startsWith("..")) return `${link} leads out of the repository`
  if (!existsSync(join(root, path))) return `${link} is not there`
  return anchor !== undefined && !anchorsOf(path).includes(anchor) ? `${link}: there is no such heading` : undefined
}

const directories = new Set(
  files.flatMap((file) =>
    file
      .split("/")
      .slice(0, -1)
      .map((_, i, parts) => parts.slice(0, i + 1).join("/"))
  )
)

/**
 * Whether a path is in the repository: seen from its root, from the document, or, as `internal/inbox.ts`, from some
 * package's folder. `*` stands for any name.
 */
const pathExists = (from: string, text: string): boolean => {
  const path = text.replace(/^\.\//u, "").replace(/\/$/u, "")
  const candidates = text.endsWith("/") ? [...directories] : [...files, ...directories]
  const pattern = new RegExp(`(?:^|/)${path.replaceAll(/[.+?^${}()|[\]\\]/gu, "\\$&").replaceAll("*", "[^/]+")}$`, "u")
  return candidates.includes(resolve(from, path)) || candidates.some((candidate) => pattern.test(candidate))
}

/** Made by a build or by an installation, so they may be missing. */
const generated = /(?:^|\/)(?:node_modules|dist|\.tsbuildinfo|coverage)(?:\/|$)/u

const looksLikePath = (text: string): boolean =>
  /^[\w.*-]*\w[\w./*-]*$/u.test(text) &&
  !/^\.\w+$/u.test(text) &&
  !generated.test(text) &&
  // A module of somebody else's, such as effect/Stream.
  !/^(?:effect|node_modules)\/\w+$/u.test(text) &&
  // A name alone may be a file of the reader's, or of a dependency.
  (/(?:\.(?:ts|json|md|yaml)|\/[^/]+\.m?js)$/u.test(text) ||
    /^(?:packages|docs|scripts|benchmarks|internal|\.ci|\.changeset)\//u.test(text))

const checkPath = (from: string, text: string): string | undefined =>
  looksLikePath(text) && !pathExists(from, text) ? `${text} is not there` : undefined

/** `@qp2p/core/Endpoint`, and whatever else of ours could be imported. */
const checkModule = (specifier: string): string | undefined => {
  const [, name, module] = /^@qp2p\/(\w+)(?:\/(\w+))?$/u.exec(specifier) ?? []
  if (name === undefined) return undefined
  const file = module === undefined ? `packages/${name}/package.json` : `packages/${name}/src/${module}.ts`
  return files.includes(file) ? undefined : `${specifier} is not there`
}

/** `NodeEndpoint.layer`: the module of that name must have the word. */
const checkMember = (module: string, member: string): string | undefined => {
  const sources = files.filter((file) => /^packages\/\w+\/src\//u.test(file) && file.endsWith(`/${module}.ts`))
  if (sources.length === 0) return undefined
  return sources.some((source) => new RegExp(`\\b${member}\\b`, "u").test(read(source)))
    ? undefined
    : `${module}.${member} is not there`
}

/** The files and modules that the comments of a source file name and that do not exist. */
const checkComments = (path: string, text: string): ReadonlyArray<string> =>
  find(commentsOf(path, text), /`([^`]+)`/gu, ([, name]) => checkPath(path, name!) ?? checkModule(name!))

const scriptsOf = (path: string): Record<string, string> =>
  (JSON.parse(read(path)) as { readonly scripts: Record<string, string> }).scripts

const rootScripts = new Set(Object.keys(scriptsOf("package.json")))

const projects = new Set([...read("vitest.workspace.ts").matchAll(/project\("(\w+)"/gu)].map((match) => match[1]!))

const checkCommand = (command: string): ReadonlyArray<string> => {
  const problems: Array<string> = []
  for (const [, script] of command.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/gu)) {
    if (!rootScripts.has(script!)) problems.push(`npm run ${script}: there is no such script`)
  }
  for (const [, script] of command.matchAll(/\bnpm (start|test)\b/gu)) {
    if (!rootScripts.has(script!)) problems.push(`npm ${script}: there is no such script`)
  }
  for (const [, name] of command.matchAll(/--project (\w+)/gu)) {
    if (!projects.has(name!)) problems.push(`--project ${name}: there is no such project`)
  }
  for (const [, file] of command.matchAll(/(?:^|\s)((?:packages|docs|benchmarks|scripts|\.ci)\/[\w./*-]+)/gu)) {
    if (!generated.test(file!) && !pathExists("README.md", file!)) problems.push(`${file} is not there`)
  }
  return problems
}

const flagsOf = (command: string): ReadonlyArray<string> => {
  const source =
    read(`packages/cli/src/commands/${command}.ts`) +
    ["Flags", "LimitFlags", "PeerFlags"].map((name) => read(`packages/cli/src/${name}.ts`)).join("")
  return [...source.matchAll(/(?:Flag\.\w+|duration|size|wholeNumber)\(\s*"([\w-]+)"/gu)].map(
    (match) => `--${match[1]}`
  )
}

const checkQp2p = (command: string, rest: string): string | undefined => {
  if (!existsSync(join(root, `packages/cli/src/commands/${command}.ts`))) return `qp2p ${command}: no such command`
  const unknown = [...rest.split(" -- ")[0]!.matchAll(/--[\w-]+/gu)]
    .map((match) => match[0])
    .filter((flag) => ![...flagsOf(command), "--help", "--version", "--log-level"].includes(flag))
  return unknown.length > 0 ? `qp2p ${command} has no ${unknown.join(", ")}` : undefined
}

/** A line that a merge leaves behind, also after the formatter took it for a quotation or for a row of a table. */
const checkMerge = (line: string): string | undefined =>
  /^(?:<{7}(?: |$)|\|{7}(?: |$)|={7}$|\| ={7} +\||>{7}(?: |$)|(?:> ){6}>)/u.test(line)
    ? `left by a merge: ${line}`
    : undefined

/** A default as the table shows it. */
const shown = (value: EndpointConfig.EndpointConfig[keyof EndpointConfig.EndpointConfig]): string => {
  if (value === undefined) return "none"
  if (Duration.isDuration(value)) return `${Duration.toSeconds(value)} s`
  if (typeof value !== "number") return String(value)
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20]
  ] as const) {
    if (value >= size && value % size === 0) return `${value / size} ${unit}`
  }
  return value.toLocaleString("en")
}

describe.each(documents)("$path", (document) => {
  const { path } = document

  it("has links that lead somewhere", () => {
    const problems = find(document, /\]\(([^)\s]+)\)/gu, ([, link]) =>
      /^(?:https?|mailto):/u.test(link!) ? undefined : checkLink(path, link!)
    )
    assert.deepStrictEqual(problems, [])
  })

  it("names files and modules that exist", () => {
    const problems = find(document, /`([^`]+)`/gu, ([, text]) => {
      const member = /^([A-Z]\w+)\.([A-Za-z]\w*)(?:\(.*\))?$/u.exec(text!)
      return (
        checkPath(path, text!) ??
        checkModule(text!) ??
        (member === null || looksLikePath(text!) ? undefined : checkMember(member[1]!, member[2]!))
      )
    })
    // In a plain block the first word of a line may be a path, as in a list of folders.
    const lists = find(shell(document, ["text", ""]), /^(\S+)/gu, ([, text]) => checkPath(path, text!))
    assert.deepStrictEqual([...problems, ...lists], [])
  })

  it("names commands that exist", () => {
    const inline = find(document, /`([^`]+)`/gu, ([, text]) => checkCommand(text!)[0])
    const blocks = find(shell(document, ["sh"]), /^.*$/gu, ([text]) => checkCommand(text)[0])
    const qp2p = [document, shell(document, ["sh"])].flatMap((lines) =>
      find(lines, /(?:^|`)qp2p ([a-z]+)([^`#]*)/gu, ([, command, rest]) => checkQp2p(command!, rest!))
    )
    assert.deepStrictEqual([...inline, ...blocks, ...qp2p], [])
  })

  it("has no marks of a merge", () => {
    const problems = find({ path, prose: read(path).split("\n") }, /^.+$/gu, ([line]) => checkMerge(line))
    assert.deepStrictEqual(problems, [])
  })

  it("gives no machine away", () => {
    const problems = find(
      { path, prose: read(path).split("\n") },
      /(?:\/(?:home|Users|root|work|tmp)\/\S*)|(?:[A-Z]:\\\S*)/gu,
      ([text]) => `an absolute path: ${text}`
    )
    assert.deepStrictEqual(problems, [])
  })
})

describe("the comments of the source files", () => {
  it("name files and modules that exist", () => {
    const sources = files.filter((file) => /\.m?[jt]s$/u.test(file))
    assert.isAbove(sources.length, 0)
    assert.deepStrictEqual(
      sources.flatMap((path) => checkComments(path, read(path))),
      []
    )
  })
})

describe("packages/core/docs/guide.md", () => {
  it("lists every setting with its default", () => {
    const rows = [...read("packages/core/docs/guide.md").matchAll(/^\| `(\w+)`\s*\| ([^|]+?)\s*\|/gmu)]
      .map(([, field, value]) => [field!, value!] as const)
      .filter(([field]) => field in EndpointConfig.EndpointConfig.fields)
    const expected = Object.keys(EndpointConfig.EndpointConfig.fields).map(
      (field) => [field, shown(EndpointConfig.defaults[field as keyof EndpointConfig.EndpointConfig])] as const
    )
    assert.deepStrictEqual(rows, expected)
  })
})

describe("this check", () => {
  it("knows what is not there", () => {
    assert.strictEqual(checkLink("README.md", "packages/nothing"), "packages/nothing is not there")
    assert.strictEqual(checkLink("README.md", "LICENSE#nothing"), "LICENSE#nothing: there is no such heading")
    assert.isUndefined(checkLink("packages/core/README.md", "../../LICENSE"))
    assert.strictEqual(checkPath("README.md", "internal/nothing.ts"), "internal/nothing.ts is not there")
    assert.strictEqual(checkPath("README.md", "docs/nothing"), "docs/nothing is not there")
    assert.isUndefined(checkPath("README.md", "internal/inbox.ts"))
    assert.deepStrictEqual(
      checkComments(
        "a.ts",
        "/** See `inbox.ts`. */\nimport `one.ts`\n/**\n * See `two.ts`.\n */\n  // See `docs/three.md`."
      ),
      ["a.ts:4: two.ts is not there", "a.ts:6: docs/three.md is not there"]
    )
    for (const line of [
      "<<<<<<< HEAD",
      "=======",
      "| =======    |",
      ">>>>>>> 1234567 (A commit)",
      "> > > > > > > 1234567"
    ]) {
      assert.strictEqual(checkMerge(line), `left by a merge: ${line}`)
    }
    assert.isUndefined(checkMerge("| ------- |"))
    assert.strictEqual(checkModule("@qp2p/core/Nothing"), "@qp2p/core/Nothing is not there")
    assert.strictEqual(checkMember("Endpoint", "layerNothing"), "Endpoint.layerNothing is not there")
    assert.deepStrictEqual(checkCommand("npm run nothing"), ["npm run nothing: there is no such script"])
    assert.deepStrictEqual(checkCommand("npm run vitest -- --project nothing"), [
      "--project nothing: there is no such project"
    ])
    assert.deepStrictEqual(checkCommand("node benchmarks/nothing.mjs"), ["benchmarks/nothing.mjs is not there"])
    assert.strictEqual(checkQp2p("nothing", ""), "qp2p nothing: no such command")
    assert.strictEqual(checkQp2p("send", " 127.0.0.1:1 --nothing"), "qp2p send has no --nothing")
    assert.isUndefined(checkQp2p("send", " 127.0.0.1:1 --file a --timeout 2s"))
  })
})
