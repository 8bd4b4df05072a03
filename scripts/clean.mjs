/** Removes what a build leaves, also of sources that are gone. */
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { root } from "./process.mjs"

for (const folder of ["packages", "examples"]) {
  for (const name of readdirSync(join(root, folder))) {
    for (const output of ["dist", ".tsbuildinfo"]) {
      rmSync(join(root, folder, name, output), { recursive: true, force: true })
    }
  }
}
