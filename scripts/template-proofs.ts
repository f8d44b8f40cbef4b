/** What several rows of docs/template.md name: suites, and tests that hold more than one row. Read by template-rows*.ts. Data. */
import type { Proof, Row } from "./template-table.ts";

export function row(item: string, by: string, ...proofs: readonly Proof[]): Row {
  return { item, by, proofs };
}

const inFile =
  (file: string) =>
  (name: string): Proof => [file, name];

export const template = inFile("test/template.test.ts");
export const validate = inFile("test/deploy/validate.test.ts");
export const mutation = inFile("test/deploy/validate-mutations.test.ts");
export const doctor = inFile("test/deploy/doctor.test.ts");
export const plan = inFile("test/deploy/plan.test.ts");
export const metrics = inFile("test/observability/metrics.test.ts");
export const rule = inFile("src/telemetry/alerts/rule.test.ts");
export const live = inFile("test/alerts/live.test.ts");
export const balancers = inFile("test/deploy/balancers.test.ts");
export const broken = inFile("test/hardware/broken-backend.test.ts");
export const resolve = inFile("src/models/resolve.test.ts");
export const GREEN = validate("green against itself, with everything measured; what it started has ended");
export const DEGRADED = template("Graceful Degradation: serves without a GPU, falls back from model to model, ends with exit code 0");
export const BASIC = template("Integration Tests: health, models and a generation by a model that is not there");
export const PERFORMANCE = template("Performance Validation: ready in less than two seconds, and ps sees the server of $SHIMMY_PID");
export const BLOCK = template("Environment Variables: the block sets the port, the folders and the log level");
export const CONFIG = template("Configuration Template: the block is a shimmy.yaml as it stands, the alerts too");
export const NOT_BLANK = plan("has nothing blank: neither a placeholder nor a line that was to be filled in as it was");
export const KEY_METRICS = metrics("each key metric of the template has a true value after a request");
export const CONDITIONS = rule("each condition says what it seems to say");
export const WATCHED = live("is watched, and a server that is well fires none of it, with a loaded model too");
