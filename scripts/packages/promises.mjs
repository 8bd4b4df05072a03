/**
 * Before the core is packed: writes the promises of `docs/guarantees.md` into its folder, without the tests that show them, which
 * are in the repository and in no package. Copies `docs/wire.md` as it is.
 */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../process.mjs"

const introduction = `# What you can rely on

What \`@qp2p/core\` promises, and what it does not. The repository has this page with the tests that show each promise. Settings are those of
[the guide's configuration](guide.md#configuration), errors those of [its list](guide.md#errors).
`

const [, promises] = /^.*?\n\n.*?\n\n(.+)$/su.exec(readFileSync(join(root, "docs/guarantees.md"), "utf8"))

const withoutTests = promises
  .split("\n")
  .filter((line) => !line.startsWith("  - ["))
  .join("\n")
  // What is in another folder is in no package, or in another one.
  .replaceAll(/\[([^\]]+)\]\(\.\.\/packages\/core\/docs\/([^)]+)\)/gu, "[$1]($2)")
  .replaceAll(/\[([^\]]+)\]\(\.\.\/packages\/(\w+)\/[^)]+\)/gu, "$1 in `@qp2p/$2`")

writeFileSync(join(root, "packages/core/docs/guarantees.md"), `${introduction}\n${withoutTests}`)

copyFileSync(join(root, "docs/wire.md"), join(root, "packages/core/docs/wire.md"))
