/**
 * The last line of .ci/run, from the report of vitest's JSON reporter: "N passed, N failed, N skipped". Exits 1 if anything failed.
 * Arguments: the report's path, and how many other steps failed, which count as failures too.
 */
import { existsSync, readFileSync } from "node:fs";

const [path, broken] = process.argv.slice(2);
const totals = { passed: 0, failed: Number(broken), skipped: 0 };

if (!existsSync(path)) {
  console.log("the tests wrote no report: they did not run to their end");
  totals.failed ||= 1;
} else {
  const { testResults, success } = JSON.parse(readFileSync(path, "utf8"));
  for (const { name, status, message, assertionResults } of testResults) {
    for (const { status } of assertionResults) totals[status === "passed" || status === "failed" ? status : "skipped"]++;
    // A file that could not even be loaded, or failed outside of its tests.
    if (status !== "failed" || assertionResults.some(({ status }) => status === "failed")) continue;
    totals.failed++;
    console.log(`${name}: ${message}`);
  }
  // An error that belongs to no file, such as a rejection that nobody handled.
  if (!success) totals.failed ||= 1;
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed === 0 ? 0 : 1;
