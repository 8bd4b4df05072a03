/** Circles of imports among the sources of the packages. An import of types counts as any other. */
import { posix } from "node:path"
import { withTrees } from "./sources.mjs"

/** Which of `files` each of them imports: relatively, or as `@scope/package/Module`. */
export const importsOf = (files) => {
  const folders = new Map(
    Object.entries(files)
      .filter(([path]) => path.endsWith("/package.json"))
      .map(([path, text]) => [JSON.parse(text).name, `${posix.dirname(path)}/src`])
  )
  const resolve = (from, specifier) => {
    if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier)
    const [scope, name, ...module] = specifier.split("/")
    const folder = folders.get(`${scope}/${name}`)
    return folder === undefined ? undefined : `${folder}/${module.length === 0 ? "index" : module.join("/")}.ts`
  }
  return withTrees(
    files,
    (trees) =>
      new Map(
        [...trees].map(([path, tree]) => {
          const targets = tree.imports.map(({ text }) => resolve(path, text)).filter((target) => trees.has(target))
          return [path, [...new Set(targets)]]
        })
      )
  )
}

/**
 * The circles of a graph that maps each node to the nodes it points to: sets of nodes that all reach each other, sorted. A
 * node that points to itself is a circle too. (Tarjan, "Depth-first search and linear graph algorithms", 1972.)
 */
export const circlesOf = (graph) => {
  const index = new Map()
  const low = new Map()
  const stack = []
  const circles = []
  const visit = (node) => {
    index.set(node, index.size)
    low.set(node, index.get(node))
    stack.push(node)
    for (const target of graph.get(node) ?? []) {
      if (!index.has(target)) {
        visit(target)
        low.set(node, Math.min(low.get(node), low.get(target)))
      } else if (stack.includes(target)) {
        low.set(node, Math.min(low.get(node), index.get(target)))
      }
    }
    if (low.get(node) !== index.get(node)) return
    const circle = stack.splice(stack.indexOf(node)).toSorted()
    if (circle.length > 1 || graph.get(node)?.includes(node)) circles.push(circle)
  }
  for (const node of graph.keys()) if (!index.has(node)) visit(node)
  return circles.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** Which of the folders directly in `base` import from each other, given which files do. */
export const foldersOf = (graph, base) => {
  const folderOf = (path) => {
    const [folder, ...rest] = path.startsWith(base) ? path.slice(base.length).split("/") : []
    return rest.length > 0 ? `${base}${folder}` : undefined
  }
  const folders = new Map()
  for (const [path, targets] of graph) {
    const from = folderOf(path)
    if (from === undefined) continue
    const others = targets.map(folderOf).filter((to) => to !== undefined && to !== from)
    folders.set(from, [...new Set([...(folders.get(from) ?? []), ...others])])
  }
  return folders
}

const isIn = (path, place) => (place.endsWith("/") ? path.startsWith(place) : path === place)

const without = (graph, allowed) =>
  new Map(
    [...graph].map(([from, targets]) => [
      from,
      targets.filter((to) => !allowed.some((each) => isIn(from, each.from) && isIn(to, each.to)))
    ])
  )

const shown = (graph, circle, what) => {
  const arrows = circle.flatMap((from) =>
    graph
      .get(from)
      .filter((to) => circle.includes(to))
      .map((to) => `  ${from} -> ${to}`)
  )
  return [`${circle.length} ${what} import each other in a circle:`, ...arrows].join("\n")
}

/**
 * What is wrong with the circles of `graph`, given the imports that may close one: a list of `{ from, to, reason }`, where
 * `from` and `to` are files, or folders that end in `/`. A circle without such an import is wrong, and so is an entry
 * without a reason, or one without which there would be no circle. `what` names the nodes of the graph.
 */
export const problemsOf = (graph, allowed, what = "files") => {
  const rest = without(graph, allowed)
  return [
    ...circlesOf(rest).map((circle) => shown(rest, circle, what)),
    ...allowed
      .filter(
        (entry) =>
          circlesOf(
            without(
              graph,
              allowed.filter((each) => each !== entry)
            )
          ).length === 0
      )
      .map(({ from, to }) => `This import is allowed and closes no circle: ${from} -> ${to}`),
    ...allowed
      .filter(({ reason }) => reason.trim() === "")
      .map(({ from, to }) => `This import is allowed without a reason: ${from} -> ${to}`)
  ]
}
