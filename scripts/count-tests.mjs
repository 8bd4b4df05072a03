/**
 * Adds up vitest's JSON reports and prints `N passed, N failed, N skipped`.
 *
 * The first report is of the full run. In the others only what ran counts: they leave the slow tests out on purpose.
 * Fails when a test failed, when no test ran, or when a report is missing.
 */
import { readFileSync } from "node:fs"

const [full, ...quick] = process.argv.slice(2).map((path) => {
  try {
    return JSON.parse(readFileSync(path, "utf8"))
  } catch {
    console.error(`No test report: ${path}`)
    process.exitCode = 1
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] }
  }
})

/** A file that could not even be loaded fails without a test of its own. */
const failedFiles = ({ testResults }) =>
  testResults.filter(({ assertionResults, status }) => {
    return status === "failed" && assertionResults.every((test) => test.status !== "failed")
  }).length

const reports = [full, ...quick]
const sum = (count) => reports.reduce((total, report) => total + count(report), 0)
const passed = sum((report) => report.numPassedTests)
const failed = sum((report) => report.numFailedTests + failedFiles(report))
const skipped = full.numPendingTests + full.numTodoTests

if (failed > 0 || passed === 0) process.exitCode = 1
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
