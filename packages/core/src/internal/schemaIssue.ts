/**
 * Formats the first issue of a schema as a path and a detail on one line.
 */
import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Returns the dotted path of the first issue, empty for the value itself, and its message on one line. */
export const firstIssue = (issue: SchemaIssue.Issue): { readonly path: string; readonly detail: string } => {
  const first = format(issue).issues[0]
  const path = (first?.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))
  return { path: path.join("."), detail: (first?.message ?? "not acceptable").replaceAll(/\s*\n\s*/g, " ") }
}
