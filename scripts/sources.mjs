/** The TypeScript sources of the packages, read and parsed by the compiler itself, without looking at what they import. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { createVirtualFileSystem } from "typescript/unstable/fs"
import { API } from "typescript/unstable/sync"

/** Every `package.json` and every source file of the packages and scripts, by its path with `/` on every system. */
export const readTree = (root) => {
  const files = {}
  const read = (path) => {
    files[path] = readFileSync(join(root, path), "utf8")
  }
  const readFolder = (folder, wanted) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) readFolder(path, wanted)
      else if (wanted.test(path)) read(path)
    }
  }
  for (const folder of readdirSync(join(root, "packages"))) {
    const path = `packages/${folder}`
    if (existsSync(join(root, path, "package.json"))) read(`${path}/package.json`)
    if (existsSync(join(root, path, "src"))) readFolder(`${path}/src`, /\.ts$/u)
  }
  readFolder("scripts", /\.mjs$/u)
  return files
}

/**
 * Parses the TypeScript files among `files`, whose keys are relative paths and whose values are texts, and hands a `Map`
 * from path to syntax tree to `use`. The trees are valid until `use` returns.
 */
export const withTrees = (files, use) => {
  const paths = Object.keys(files).filter((path) => path.endsWith(".ts"))
  const project = "/tsconfig.json"
  const compilerOptions = { noResolve: true, noLib: true, types: [], noEmit: true, allowImportingTsExtensions: true }
  const api = new API({
    cwd: "/",
    fs: createVirtualFileSystem({
      ...Object.fromEntries(paths.map((path) => [`/${path}`, files[path]])),
      [project]: JSON.stringify({ compilerOptions, files: paths.map((path) => `/${path}`) })
    })
  })
  try {
    const snapshot = api.updateSnapshot({ openProject: project })
    const { program } = snapshot.getProject(project)
    const result = use(new Map(paths.map((path) => [path, program.getSourceFile(`/${path}`)])))
    snapshot.dispose()
    return result
  } finally {
    api.close()
  }
}
