/**
 * Settings in Effect's configuration sources. A setting has its own name there, such as `idleTimeout`, or that of an
 * environment variable, `IDLE_TIMEOUT`; so has the group that it is in.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Str from "effect/String"
import { nearest } from "./nearest.ts"

/** The names of settings. */
export interface Names {
  /** Those that are one text. */
  readonly texts: ReadonlyArray<string>
  /** Those that are a list, or one text. */
  readonly lists?: ReadonlyArray<string>
}

/** What a source says of each setting that is in it. */
export type Said = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

type Group = ReadonlyArray<string>

/** Effect's own would take `QP2P` for two words. */
const constantCase = (name: string): string => (/^[A-Z0-9_]+$/u.test(name) ? name : Str.configCase(name))

/** Where the group may be. A source of environment variables parts their names at underscores. */
const groupsOf = (path: string | undefined): ReadonlyArray<Group> => {
  if (path === undefined) return [[]]
  const groups = [[path], path.split("_"), constantCase(path).split("_")]
  return [...new Map(groups.map((group) => [group.join("."), group])).values()]
}

const Text = Schema.String.annotate({ message: "must be a single value" })
const aList = { message: "must be a list of texts, or text with commas between" }
const List = Schema.Union([Schema.String.annotate(aList), Schema.Array(Text).annotate(aList)])

const inGroups = <A>(path: string | undefined, schema: Schema.Codec<A, unknown>, absent: A): Config.Config<Array<A>> =>
  Config.all(groupsOf(path).map((group) => Config.withDefault(Config.schema(schema, group), absent)))

/** Reads settings, under `path` if one is given. The name as it is comes before the one of the environment. */
export const read = (path: string | undefined, { lists = [], texts }: Names): Config.Config<Said> => {
  const both = (from: ReadonlyArray<string>, schema: Schema.Codec<string | ReadonlyArray<string>, unknown>) =>
    from.flatMap((name) => [name, constantCase(name)].map((each) => [each, Schema.optionalKey(schema)] as const))
  const fields = Object.fromEntries([...both(texts, Text), ...both(lists, List)])
  return Config.map(inGroups<Said>(path, Schema.Struct(fields), {}), (groups) => {
    const found = [...texts, ...lists].flatMap((name) => {
      const first = groups
        .flatMap((group) => [group[name], group[constantCase(name)]])
        .find((each) => each !== undefined)
      return first === undefined ? [] : [[name, first] as const]
    })
    return Object.fromEntries(found)
  })
}

/** What is wrong with a setting under `path`. */
export const errorAt = (path: string | undefined, issue: SchemaIssue.Issue): Config.ConfigError =>
  new Config.ConfigError(new Schema.SchemaError(path === undefined ? issue : new SchemaIssue.Pointer([path], issue)))

// --- names -----------------------------------------------------------------------------------------------------------

/** The names of a source: a list of texts is `undefined`. */
interface Tree {
  readonly [name: string]: Tree | string | undefined
}

/** In an environment a name may be a text and the beginning of other names: what is taken for a text has no others. */
const treeOf = (textFirst: boolean): Schema.Codec<Tree, unknown> => {
  const node = Schema.suspend((): Schema.Codec<Tree | string | undefined, unknown> => Node)
  const Branch = Schema.Record(Schema.String, node)
  // No item of a list is looked at: they are counted by the largest number in a name.
  const Node = Schema.Union(
    textFirst ? [Schema.String, Branch, Schema.Undefined] : [Branch, Schema.String, Schema.Undefined]
  )
  return Branch
}

const trees = [treeOf(true), treeOf(false)]

const namesIn = (tree: Tree, group: Group = []): ReadonlyArray<Group> =>
  Object.entries(tree).flatMap(([name, value]) =>
    typeof value === "object" ? namesIn(value, [...group, name]) : [[...group, name]]
  )

const isConstantCase = (name: Group): boolean => name.every((part) => part === part.toUpperCase())

/** As a variable of the environment where the name is that of one. */
const written = (group: Group, name: Group): string =>
  isConstantCase(name) ? [...group.map(constantCase), ...name].join("_") : [...group, ...name].join(".")

/**
 * Reports the names under `path` that are none of `settings`: fails for one that is near to a setting, and says the others
 * in the log. Names of `others` may be there, too.
 */
export const checkNames = (
  path: string,
  settings: ReadonlyArray<string>,
  others: ReadonlyArray<string>
): Config.Config<void> => {
  const groups = groupsOf(path)
  const known = new Set([...settings, ...others].flatMap((name) => [name, constantCase(name)]))
  return Config.mapEffect(Config.all(trees.map((tree) => inGroups(path, tree, {}))), (found) => {
    const strange = new Set<string>()
    for (const inEach of found) {
      for (const [i, tree] of inEach.entries()) {
        for (const name of namesIn(tree)) {
          if (known.has(name.join("_"))) continue
          const group = groups[i]!
          const whole = written(group, name)
          const meant = nearest(name.join("_"), settings)
          if (meant === undefined) {
            strange.add(whole)
            continue
          }
          const right = written(group, [isConstantCase(name) ? constantCase(meant) : meant])
          const message = `unknown setting ${whole}; did you mean ${right}?`
          return Effect.fail(errorAt(undefined, new SchemaIssue.InvalidValue({ message }, whole)))
        }
      }
    }
    return strange.size === 0
      ? Effect.void
      : Effect.logWarning(`no settings of an endpoint: ${[...strange].join(", ")}`)
  })
}
