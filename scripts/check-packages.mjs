/**
 * Packs every publishable package and looks at the tarballs as their users will: manifest, contents and links, publint,
 * arethetypeswrong, then npm projects in which each module is imported by plain Node and typechecked.
 */
import { contentProblems } from "./packages/contents.mjs"
import { installedProblems } from "./packages/installed.mjs"
import { pack, publishable, temporaryFolder } from "./packages/publishable.mjs"
import { toolProblems } from "./packages/tools.mjs"

const work = temporaryFolder("qp2p-packages-")
const problems = []

const packed = []
for (const item of publishable()) packed.push(await pack(item, work))
for (const item of packed) problems.push(...contentProblems(item), ...(await toolProblems(item)))
problems.push(...(await installedProblems(work, packed)))

for (const problem of problems) console.error(problem)
console.log(`Packages: ${packed.length} packed, ${problems.length} problems`)
if (problems.length > 0) process.exitCode = 1
