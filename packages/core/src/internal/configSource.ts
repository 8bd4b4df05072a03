/**
 * Reads settings from Effect's configuration sources. A setting has its own name there, such as `idleTimeout`, or the name
 * of an environment variable, `IDLE_TIMEOUT`. The path that groups settings has either form as well.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Str from "effect/String"
import { nearest } from "./nearest.ts"

/** The names of settings. */
export interface Names {
  /** The settings whose value is one text. */
  readonly texts: ReadonlyArray<string>
  /** The settings whose value is a list of texts, or one text. */
  readonly lists?: ReadonlyArray<string>
}

/** The values of the settings that a source has. */
export type SettingTexts = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

type Group = ReadonlyArray<string>

/** Converts a name to constant case. A name in constant case stays as it is: Effect would split `QP2P` into two words. */
const constantCase = (name: string): string => (/^[A-Z0-9_]+$/u.test(name) ? name : Str.configCase(name))

/** Lists the places of a group in a source. A source of environment variables splits names at underscores. */
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

/** Reads settings, under `path` if one is given. A setting's own name takes precedence over its environment variable. */
export const read = (path: string | undefined, { lists = [], texts }: Names): Config.Config<SettingTexts> => {
  const both = (from: ReadonlyArray<string>, schema: Schema.Codec<string | ReadonlyArray<string>, unknown>) =>
    from.flatMap((name) => [name, constantCase(name)].map((each) => [each, Schema.optionalKey(schema)] as const))
  const fields = Object.fromEntries([...both(texts, Text), ...both(lists, List)])
  return Config.map(inGroups<SettingTexts>(path, Schema.Struct(fields), {}), (groups) => {
    const found = [...texts, ...lists].flatMap((name) => {
      const first = groups
        .flatMap((group) => [group[name], group[constantCase(name)]])
        .find((each) => each !== undefined)
      return first === undefined ? [] : [[name, first] as const]
    })
    return Object.fromEntries(found)
  })
}

/** Makes the error of a setting under `path`. */
export const errorAt = (path: string | undefined, issue: SchemaIssue.Issue): Config.ConfigError =>
  new Config.ConfigError(new Schema.SchemaError(path === undefined ? issue : new SchemaIssue.Pointer([path], issue)))

// --- names -----------------------------------------------------------------------------------------------------------

/** The tree of names in a source. A name with a text is a string, a list of texts is `undefined`. */
interface Tree {
  readonly [name: string]: Tree | string | undefined
}

/**
 * Makes the schema of a tree of names. In an environment a name may have a value and also begin other names; `textFirst`
 * decides which of the two the schema reads.
 */
const treeOf = (textFirst: boolean): Schema.Codec<Tree, unknown> => {
  const node = Schema.suspend((): Schema.Codec<Tree | string | undefined, unknown> => Node)
  const Branch = Schema.Record(Schema.String, node)
  // The items of a list are not decoded, since a name such as `X_999999999` would make a huge list.
  const Node = Schema.Union(
    textFirst ? [Schema.String, Branch, Schema.Undefined] : [Branch, Schema.String, Schema.Undefined]
  )
  return Branch
}

const trees = [treeOf(true), treeOf(false)]

interface Named {
  readonly name: Group
  readonly isList: boolean
}

const namesIn = (tree: Tree, group: Group = []): ReadonlyArray<Named> =>
  Object.entries(tree).flatMap(([name, value]) =>
    typeof value === "object"
      ? namesIn(value, [...group, name])
      : [{ name: [...group, name], isList: value === undefined }]
  )

const isConstantCase = (name: Group): boolean => name.every((part) => part === part.toUpperCase())

/** Formats a name: as an environment variable, or with dots. */
const written = (group: Group, name: Group): string => {
  if (isConstantCase(name)) return [...group.map(constantCase), ...name].join("_")
  return [...group, ...name].join(isSplit(name) ? "_" : ".")
}

/** Whether a source has split the name at underscores: only a source of environment variables does. */
const isSplit = (name: Group): boolean => name.length > 1

const bothForms = (names: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(names.flatMap((name) => [name, constantCase(name)]))

/**
 * Reports unknown names under `path`: fails for a name that resembles one of the settings, and logs a warning for the rest.
 * Names in `others` are allowed. Fails for a list of `texts`: a source of environment variables reads the name with the
 * number of an item behind it as a list.
 */
export const checkNames = (
  path: string,
  { lists = [], texts }: Names,
  others: ReadonlyArray<string>
): Config.Config<void> => {
  const groups = groupsOf(path)
  const settings = [...texts, ...lists]
  const known = bothForms([...settings, ...others])
  const single = bothForms(texts)
  return Config.mapEffect(Config.all(trees.map((tree) => inGroups(path, tree, {}))), (found) => {
    const strange = new Set<string>()
    for (const inEach of found) {
      for (const [i, tree] of inEach.entries()) {
        for (const { isList, name } of namesIn(tree)) {
          const joined = name.join("_")
          if (known.has(joined) && !(isList && single.has(joined))) continue
          const group = groups[i]!
          const whole = written(group, name)
          if (known.has(joined)) {
            const message = `${whole} must be a single value`
            return Effect.fail(errorAt(undefined, new SchemaIssue.InvalidValue({ message }, whole)))
          }
          const meant = nearest(joined, settings)
          if (meant === undefined) {
            strange.add(whole)
            continue
          }
          const right = written(group, [isConstantCase(name) || isSplit(name) ? constantCase(meant) : meant])
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
