/** What tools for publishing say of a tarball: publint and arethetypeswrong. */
import { captureTool } from "../process.mjs"
import { publicModules } from "./publishable.mjs"

/** What is wrong with a tarball. */
export const toolProblems = async (item) => {
  const { name } = item.manifest
  const publint = await captureTool("publint", ["run", item.tarball, "--strict"])
  // Named one by one: arethetypeswrong does not look behind a wildcard.
  const entrypoints = [".", ...publicModules(item).map((module) => `./${module}`)]
  const options = ["--profile", "esm-only", "--no-emoji", "--no-color", "--format", "ascii"]
  const attw = await captureTool("attw", [item.tarball, ...options, "--entrypoints", ...entrypoints])
  return [
    ...(publint.code === 0 ? [] : [`${name}: publint\n${publint.output}`]),
    ...(attw.code === 0 ? [] : [`${name}: arethetypeswrong\n${attw.output}`])
  ]
}
