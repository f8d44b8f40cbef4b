/**
 * The integration specification: the template with every blank filled in from a plan. Called by cli/init.ts. Pure. Lines that ask for
 * nothing stay as they are, so each section and command of the template is there.
 */
import type { PlanReport } from "../../plan/report.ts";
import { FORMULA, measuredRows, mebibytes, milliseconds, NOT_TOLD, resourceRows, trafficText } from "../../plan/text.ts";
import type { TemplateFile } from "../template.ts";
import { INTEGRATION_TEMPLATE } from "./template.ts";

export interface IntegrationFacts {
  readonly report: PlanReport;
  readonly application: string;
  readonly port: number;
  /** Whether nothing listens there now. */
  readonly portFree: boolean;
  /** Folder of the model's file. */
  readonly modelFolder: string;
  /** The command that would write the same again. */
  readonly command: string;
}

const TEMPLATE_PORT = /\b11435\b/g;
const STARTUP_LIMIT_MS = 2000;
const BASE_LIMIT_BYTES = 5e6;

export function integrationFiles(facts: IntegrationFacts): readonly TemplateFile[] {
  return [
    { path: "INTEGRATION.md", text: integrationDocument(facts) },
    { path: "README-integration.md", text: readme(facts) },
  ];
}

/** @throws Error where the template has no line that should be filled in: it and this file belong together. */
export function integrationDocument(facts: IntegrationFacts): string {
  const lines = INTEGRATION_TEMPLATE.split("\n");
  const fill = (beginning: string, text: (line: string) => string) => {
    const at = lines.findIndex((line) => line.startsWith(beginning));
    if (at < 0) throw new Error(`the template has no line '${beginning}'`);
    lines[at] = text(lines[at]!);
  };
  for (const [beginning, text] of head(facts)) fill(beginning, () => text);
  for (const [beginning, kept, why] of checks(facts)) fill(beginning, (line) => `${kept ? line.replace("[ ]", "[x]") : line} — ${why}`);
  for (const [beginning, note] of notes(facts)) fill(beginning, (line) => `${line} — ${note}`);
  for (const [beginning, old, now] of commands(facts)) fill(beginning, (line) => line.replace(old, () => now));
  return lines.join("\n").replace(TEMPLATE_PORT, String(facts.port));
}

type Pair = readonly [beginning: string, text: string];

/** Lines that are replaced whole. */
function head({ report, application, port }: IntegrationFacts): readonly Pair[] {
  const { model, made, shimmy, measured, plan } = report;
  const resources = resourceRows(report);
  const bullets = (rows: readonly Pair[]) => rows.map(([name, text]) => `- **${name}**: ${line(text)}`);
  const instances = plan.replicas === undefined || plan.replicas === 1 ? "" : ` × ${plan.replicas}`;
  return [
    ["# Shimmy Integration Template", `# Shimmy Integration Specification: ${line(application)}`],
    ["*Use this template", `*Filled in by Shimmy ${shimmy} from a run of ${milliseconds(measured.tookMs)} on this machine, ${made}*`],
    ["## Integration Specification Template", "## Integration Specification"],
    ["- **Application Name**", `- **Application Name**: ${line(application)}`],
    ["- **Integration Type**", "- **Integration Type**: REST API (OpenAI's, over HTTP), CLI"],
    ["- **Expected Traffic**", `- **Expected Traffic**: ${trafficText(report)}`],
    [
      "- **Model Requirements**",
      `- **Model Requirements**: ${line(model.id)} (${model.quantization}, ${mebibytes(model.sizeBytes)}, ${Math.round(model.parameters / 1e5) / 10} million parameters)`,
    ],
    [
      "[Your Application]",
      `[${line(application)}] -> [OpenAI client, HTTP] -> [Shimmy at 127.0.0.1:${port}${instances}] -> [${line(model.id)} in llama.cpp]`,
    ],
    ["- **Memory**: Base 5MB", bullets(resources.slice(0, 1)).join("\n")],
    ["- **CPU**", bullets(resources.slice(1, 2)).join("\n")],
    ["- **GPU**", bullets(resources.slice(2, 3)).join("\n")],
    [
      "- **Network**",
      [...bullets(resources.slice(3)), "", "Measured for this plan:", ...bullets(measuredRows(report)), "", ...FORMULA].join("\n"),
    ],
    ["*Last Updated", `*Last Updated: ${made.slice(0, 10)}*`],
    ["*Version: 1.0*", `*Version: 1.0 of the template, Shimmy ${shimmy}*`],
  ];
}

/** Boxes that are ticked where the run showed it, and why. */
function checks(facts: IntegrationFacts): ReadonlyArray<readonly [beginning: string, kept: boolean, why: string]> {
  const { report, port, portFree } = facts;
  const { measured, machine, model, plan } = report;
  const { aboveNodeBytes: above } = measured.memory;
  const later = "to be repeated after deployment with the tests above";
  const resources = plan.memory ? `${mebibytes(plan.memory.bytes)} planned, ${mebibytes(machine.availableBytes)} available here` : NOT_TOLD;
  return [
    ["- [ ] **5MB", above !== undefined && above <= BASE_LIMIT_BYTES, `${mebibytes(above)} above an empty server of the same Node`],
    ["- [ ] **Startup Speed**", measured.startMs < STARTUP_LIMIT_MS, `${milliseconds(measured.startMs)} to the ready line`],
    ["- [ ] **Zero Python", measured.python === false, pythonText(measured.python)],
    ["- [ ] **API Compatibility**", true, "the figures below were measured through `/v1/chat/completions`"],
    ["- [ ] **CLI Access**", true, "this document was written by `shimmy init`"],
    ["- [ ] **Models Available**", true, `${line(model.id)} was found and loaded in ${milliseconds(measured.loadMs)}`],
    ["- [ ] **Ports Configured**", portFree, portText(port, portFree)],
    ["- [ ] **Resource Limits**", plan.memory?.fits === true, resources],
    ["- [ ] **Dependencies Met**", true, `Node ${machine.node} and libllama ran the model; no Rust runtime is needed`],
    ["- [ ] **Health Check**", false, `it answered at the measured server; ${later}`],
    ["- [ ] **Model Discovery**", false, `${line(model.id)} was in the list of the measured server; ${later}`],
    ["- [ ] **Generation Test**", false, `the measured server completed; ${later}`],
    ["- [ ] **Performance Metrics**", false, `see Key Metrics for those of the measured server; ${later}`],
  ];
}

function pythonText(python: boolean | undefined): string {
  if (python === undefined) return NOT_TOLD;
  return python ? "a Python runs among the processes of the server" : "no Python among the processes of the measured server";
}

function portText(port: number, free: boolean): string {
  return free ? `${port} is free on 127.0.0.1, which no firewall stands before` : `${port} is TAKEN on 127.0.0.1 at the moment`;
}

/** What is added behind a line. */
function notes({ report: { measured, plan } }: IntegrationFacts): readonly Pair[] {
  const lone = measured.waves[0]!;
  const crowd = measured.waves.at(-1)!;
  const { memory } = measured;
  const chosen = plan.replicas === undefined ? undefined : plan.replicas === 1 ? "- **Single Instance**" : "- **Load Balanced**";
  return [
    ...(chosen === undefined ? [] : [[chosen, `planned for this traffic: ${plan.replicas} of them`] as const]),
    ["- **Startup Time**", `measured: ${milliseconds(measured.startMs)}`],
    ["- **Memory Usage**", `measured: ${mebibytes(memory.baseBytes)} resident, and ${mebibytes(memory.peakBytes)} for the model`],
    [
      "- **Request Latency**",
      `measured: first token after ${milliseconds(lone.ttftMs)} alone and ${milliseconds(crowd.ttftMs)} with ${crowd.clients} clients; in total ${milliseconds(1000 * plan.aloneSeconds)} alone (computed)`,
    ],
    ["- **Error Rate**", "measured: no request of the run failed"],
    ["- **Model Load Time**", `measured: ${milliseconds(measured.loadMs)}`],
  ];
}

/** Blanks within commands. */
function commands({ report, modelFolder }: IntegrationFacts): ReadonlyArray<readonly [beginning: string, old: string, now: string]> {
  const { model, traffic } = report;
  const inJson = JSON.stringify(model.id).slice(1, -1).replaceAll("'", "'\\''");
  const folder = JSON.stringify(modelFolder);
  return [
    ['  model_dirs: "path', '"path/to/your/models"', folder],
    ["SHIMMY_MODEL_DIRS=", '"/path/to/models"', folder.replace(/[$`]/g, "\\$&")],
    ['    "model": "your-model-name"', "your-model-name", inJson],
    ["shimmy list --short", '"model-pattern"', `"${model.id.replace(/["\\$`]/g, "\\$&")}"`],
    ['  -d \'{"model": "test-model"', "test-model", inJson],
    ...(traffic.p95Seconds === undefined ? [] : [["  request_latency_p95:", ">5s", `>${traffic.p95Seconds}s`] as const]),
  ];
}

function readme({ report, application, command }: IntegrationFacts): string {
  return `# The integration of ${line(application)}

\`INTEGRATION.md\` is the integration specification. Its figures come from a run of ${milliseconds(report.measured.tookMs)} on this
machine with ${line(report.model.id)}; nothing in it is a constant of a brochure. On another machine, or for other traffic, write it anew:

\`\`\`bash
${command}
\`\`\`

Without \`--force\` an existing file is shown as a diff and stays. \`shimmy plan\` prints the same figures and writes nothing.

## How the resources are worked out

${FORMULA.map((sentence) => `- ${sentence}`).join("\n")}
- The clients of the run used the same processors as the server, so the figures are rather too low than too high.
- A limit of time that no number of instances can keep is told as such, and replicas then follow from the utilisation alone.
`;
}

/** Names come from people and files: they stay on their line. */
function line(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}
