/** Removes what a build leaves, also of sources that are gone. */
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { root } from "./process.mjs"

for (const name of readdirSync(join(root, "packages"))) {
  for (const output of ["dist", ".tsbuildinfo"]) {
    rmSync(join(root, "packages", name, output), { recursive: true, force: true })
  }
}
