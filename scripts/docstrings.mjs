/**
 * The rules for docstrings. Every file says at its top what it is. Every export of a package's modules has a sentence. In
 * modules that users can import, an export has `@since`, `@category` and `@stability` as well, and every member of an
 * exported type has a sentence.
 */
import { posix } from "node:path"
import {
  isCallExpression,
  isClassDeclaration,
  isComputedPropertyName,
  isConstructorDeclaration,
  isEnumDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isInterfaceDeclaration,
  isIntersectionTypeNode,
  isModuleBlock,
  isModuleDeclaration,
  isNamedExports,
  isPrivateIdentifier,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  isVariableStatement,
  ModifierFlags
} from "typescript/unstable/ast"
import { withTrees } from "./sources.mjs"

const stabilities = ["stable", "unstable", "experimental"]

/** The tags that an export needs, and what each may say. */
const tagPatterns = {
  since: [/^\d+\.\d+\.\d+$/u, "a version"],
  category: [/^\S.*$/u, "a name"],
  stability: [new RegExp(`^(?:${stabilities.join("|")})$`, "u"), stabilities.join(", ")]
}

/** A docstring as its text and its tags: `{ text, tags: [[name, value]] }`. */
const parse = (comment) => {
  const lines = comment
    .replace(/^\/\*\*/u, "")
    .replace(/\*\/$/u, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/u, "").trimEnd())
  const firstTag = lines.findIndex((line) => /^\s*@\w/u.test(line))
  const text = lines
    .slice(0, firstTag < 0 ? undefined : firstTag)
    .join("\n")
    .trim()
  const tags =
    firstTag < 0
      ? []
      : lines.slice(firstTag).flatMap((line) => {
          const tag = /^\s*@(\w+)\s*(.*)$/u.exec(line)
          return tag === null ? [] : [[tag[1], tag[2].trim()]]
        })
  return { text, tags }
}

/** What is wrong with the text of a docstring: its first paragraph is a sentence, or several. */
const wrongText = ({ text }) => {
  const [paragraph] = text.split("\n\n")
  if (paragraph === "") return ["has no sentence"]
  const problems = []
  if (!/^["`]?\p{Lu}/u.test(paragraph)) problems.push("has a docstring that does not begin with a capital letter")
  if (!/\.["`)]?$/u.test(paragraph)) problems.push("has a docstring whose first paragraph does not end with a period")
  return problems
}

const wrongTags = ({ tags }, names) =>
  names.flatMap((name) => {
    const values = tags.filter(([tag]) => tag === name).map(([, value]) => value)
    if (values.length === 0) return [`has no @${name}`]
    if (values.length > 1) return [`has more than one @${name}`]
    const [pattern, wanted] = tagPatterns[name]
    return pattern.test(values[0]) ? [] : [`has @${name} ${values[0]}, which is not ${wanted}`]
  })

/** The docstring at the top of a file, below `#!`. */
const topOf = (text) => /^(?:#![^\n]*\n)?(\/\*\*.*?\*\/)/su.exec(text)?.[1]

/** Whether a module can be imported by users: not where the package's exports say `null`. */
const isPublic = (path, files) => {
  const [, folder, module] = /^(packages\/[^/]+)\/src\/(.+)\.ts$/u.exec(path) ?? []
  if (module === undefined || files[`${folder}/package.json`] === undefined) return false
  const closed = Object.entries(JSON.parse(files[`${folder}/package.json`]).exports ?? {})
    .filter(([, target]) => target === null)
    .map(([name]) => name.slice(2))
  return !closed.some((name) => (name.endsWith("*") ? module.startsWith(name.slice(0, -1)) : module === name))
}

const has = (node, flag) => (node.modifierFlags & flag) !== 0

/** The docstring directly above a declaration, unless it is the one at the top of the file. */
const docstringOf = (node, text) => {
  const last = node.jsDoc?.at(-1)
  if (last === undefined) return undefined
  // The compiler counts a line comment directly above a docstring as a part of it.
  const comment = text
    .slice(last.pos, last.end)
    .replace(/^(?:\s*\/\/.*\n)+/u, "")
    .trim()
  return text
    .slice(0, last.pos)
    .replace(/^#!.*\n/u, "")
    .trim() === ""
    ? undefined
    : comment
}

/** The object types that a type is made of, itself or as parts of an intersection. */
const literalsOf = (type) => {
  if (isTypeLiteralNode(type)) return [type]
  return isIntersectionTypeNode(type) ? type.types.flatMap(literalsOf) : []
}

/** The object types in `class X extends Context.Service<X, { ... }>()("X") {}`. */
const literalsOfBase = (expression) => {
  const own = expression.typeArguments?.flatMap(literalsOf) ?? []
  return isCallExpression(expression) ? [...own, ...literalsOfBase(expression.expression)] : own
}

/** The types whose members are those of a declaration. */
const typesOf = (node) => {
  if (isTypeAliasDeclaration(node)) return literalsOf(node.type)
  if (!isClassDeclaration(node)) return isInterfaceDeclaration(node) || isEnumDeclaration(node) ? [node] : []
  const bases = node.heritageClauses?.flatMap(({ types }) => types.map(({ expression }) => expression)) ?? []
  return [node, ...bases.flatMap(literalsOfBase)]
}

/** The members that users see: not what is private, overridden, or named by a symbol; and not the tag of a union. */
const membersOf = (node) =>
  typesOf(node)
    .flatMap(({ members }) => [...members])
    .filter(
      (member) =>
        member.name !== undefined &&
        !isConstructorDeclaration(member) &&
        !isPrivateIdentifier(member.name) &&
        !isComputedPropertyName(member.name) &&
        !has(member, ModifierFlags.Private | ModifierFlags.Protected | ModifierFlags.Override) &&
        member.name.text !== "_tag"
    )

/** What is declared: `[name, nodes]`, where an overloaded function has several nodes. */
const declarationsOf = (statements, isExported) => {
  const found = new Map()
  for (const statement of statements.filter(isExported)) {
    const named = isVariableStatement(statement) ? statement.declarationList.declarations : [statement]
    for (const { name } of named) {
      if (name === undefined) continue
      // `export const { a, b } = ...` has a pattern in place of a name.
      const text = name.text ?? `{ ${name.elements[0].name.text}, ... }`
      const key = isFunctionDeclaration(statement) ? `${text}()` : `${statement.kind} ${text}`
      found.set(key, [text, [...(found.get(key)?.[1] ?? []), statement]])
    }
  }
  return [...found.values()]
}

const wrongExports = (statements, text, isExported, prefix = "") =>
  declarationsOf(statements, isExported).flatMap(([name, nodes]) => {
    const at = nodes[0]
    const path = `${prefix}${name}`
    if (isModuleDeclaration(at)) {
      const inner = isModuleBlock(at.body) ? at.body.statements : []
      const all = has(at, ModifierFlags.Ambient) ? () => true : exported
      return [...wrongExport(nodes, text, path), ...wrongExports(inner, text, all, `${path}.`)]
    }
    return [
      ...wrongExport(nodes, text, path),
      ...membersOf(at).flatMap((member) => {
        const name = `${path}.${member.name.text}`
        const docstring = docstringOf(member, text)
        if (docstring === undefined) return [[member, name, "has no docstring"]]
        return wrongText(parse(docstring)).map((problem) => [member, name, problem])
      })
    ]
  })

const wrongExport = (nodes, text, path) => {
  const docstring = nodes.map((node) => docstringOf(node, text)).find((found) => found !== undefined)
  if (docstring === undefined) return [[nodes[0], path, "has no docstring"]]
  const parsed = parse(docstring)
  const problems = [...wrongText(parsed), ...wrongTags(parsed, ["since", "category", "stability"])]
  return problems.map((problem) => [nodes[0], path, problem])
}

const exported = (node) => has(node, ModifierFlags.Export)

/** What a module lists in `export { a, b as c }`, as `[path, specifier]`: its own declarations, and those of other files. */
const listedExports = (tree, path) =>
  tree.statements.filter(isExportDeclaration).flatMap(({ exportClause, moduleSpecifier }) => {
    const from = moduleSpecifier?.text
    if (exportClause === undefined || !isNamedExports(exportClause) || from?.startsWith(".") === false) return []
    const source = from === undefined ? path : posix.join(posix.dirname(path), from)
    return exportClause.elements.map((specifier) => [source, specifier])
  })

/** What is wrong in each file: `[path, [node, name, problem]]`. A name in a list may have its docstring there. */
const wrongModules = (paths, trees, files) => {
  const listed = new Map()
  const problems = []
  for (const path of paths) {
    for (const [source, specifier] of listedExports(trees.get(path), path)) {
      const isElsewhere = source !== path && isPublic(source, files)
      if (docstringOf(specifier, files[path]) !== undefined) {
        problems.push(...wrongExport([specifier], files[path], specifier.name.text).map((problem) => [path, problem]))
      } else if (!isElsewhere && trees.has(source)) {
        const name = (specifier.propertyName ?? specifier.name).text
        listed.set(source, [...(listed.get(source) ?? []), name])
      }
    }
  }
  for (const path of new Set([...paths, ...listed.keys()])) {
    const isListed = (statement) =>
      (isVariableStatement(statement) ? statement.declarationList.declarations : [statement]).some(({ name }) =>
        listed.get(path)?.includes(name?.text)
      )
    const isExported = paths.includes(path) ? (statement) => exported(statement) || isListed(statement) : isListed
    const found = wrongExports(trees.get(path).statements, files[path], isExported)
    problems.push(...found.map((problem) => [path, problem]))
  }
  return problems
}

/** What is wrong with the exports of a module that users cannot import: each needs a sentence, and no tags. */
const wrongInternals = (tree, text) =>
  declarationsOf(tree.statements, exported).flatMap(([name, nodes]) => {
    const docstring = nodes.map((node) => docstringOf(node, text)).find((found) => found !== undefined)
    if (docstring === undefined) return [[nodes[0], name, "has no docstring"]]
    return wrongText(parse(docstring)).map((problem) => [nodes[0], name, problem])
  })

/**
 * What is wrong with the docstrings of `files`, whose keys are paths relative to the root and whose values are texts: one
 * line for each problem, with its place. The manifests of the packages among them say which modules are public.
 */
export const problemsOf = (files) => {
  const sources = Object.keys(files).filter((path) => /\.(?:ts|mjs)$/u.test(path))
  const isPublicSource = (path) => isPublic(path, files)
  const tops = sources.flatMap((path) => {
    const top = topOf(files[path])
    if (top === undefined) return [`${path}:1: the file has no docstring at its top that says what it is`]
    const parsed = parse(top)
    const tags = isPublicSource(path) ? wrongTags(parsed, ["since", "stability"]) : []
    return [...wrongText(parsed), ...tags].map((problem) => `${path}:1: the file ${problem}`)
  })
  const exports = withTrees(files, (trees) => {
    const internals = sources.filter((path) => trees.has(path) && !isPublicSource(path))
    return [
      ...wrongModules(sources.filter(isPublicSource), trees, files),
      ...internals.flatMap((path) => wrongInternals(trees.get(path), files[path]).map((problem) => [path, problem]))
    ].map(([path, [node, name, problem]]) => {
      const tree = trees.get(path)
      const { line } = tree.getLineAndCharacterOfPosition(node.getStart(tree))
      return `${path}:${line + 1}: ${name} ${problem}`
    })
  })
  // An internal export that a public module lists is checked under both rules.
  return [...new Set([...tops, ...exports])]
}
