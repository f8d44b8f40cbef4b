/** The files of `shimmy init --template integration`: asks for what was not said, measures, fills in. Called by init.ts. */
import { createServer } from "node:net";
import { dirname } from "node:path";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { integrationFiles } from "../deploy/init/integration/document.ts";
import type { TemplateFile } from "../deploy/init/template.ts";
import { trafficOf, USUAL_TOKENS } from "../deploy/plan/traffic.ts";
import { makePlan, type PlanFlags } from "./planned.ts";
import { ask, canAsk, type Question } from "./questions.ts";

export interface IntegrationFlags extends PlanFlags {
  readonly application?: string;
}

type Name = keyof IntegrationFlags;

const QUESTIONS: ReadonlyArray<Question<Name>> = [
  { name: "application", flag: "--application", text: "Name of your application", needed: true },
  { name: "rps", flag: "--rps", text: "Expected traffic (2, 120/min, 5000/hour)", needed: true, check: (rps) => void trafficOf({ rps }) },
  {
    name: "p95",
    flag: "--p95",
    text: "95% of requests answered within (5s, 800ms)",
    needed: true,
    check: (p95) => void trafficOf({ p95 }),
  },
  {
    name: "promptTokens",
    flag: "--prompt-tokens",
    text: "Tokens of a prompt",
    usual: String(USUAL_TOKENS.promptTokens),
    needed: false,
    check: (promptTokens) => void trafficOf({ promptTokens }),
  },
  {
    name: "answerTokens",
    flag: "--answer-tokens",
    text: "Tokens of an answer",
    usual: String(USUAL_TOKENS.answerTokens),
    needed: false,
    check: (answerTokens) => void trafficOf({ answerTokens }),
  },
  { name: "model", flag: "--model", text: "Model, if not the default one", usual: "", needed: false },
];

/** @throws flags_needed where nobody can be asked; what makePlan throws */
export async function integration(loaded: LoadedConfig, given: IntegrationFlags, port: number): Promise<readonly TemplateFile[]> {
  const missing = QUESTIONS.filter(({ name }) => given[name] === undefined);
  const needed = missing.filter(({ needed }) => needed);
  if (needed.length > 0 && !canAsk()) throw new ShimmyError("flags_needed", { flags: needed.map(({ flag }) => flag).join(", ") });
  const known = Object.fromEntries(QUESTIONS.flatMap(({ name }) => (given[name] === undefined ? [] : [[name, given[name]]])));
  const flags: IntegrationFlags = { ...known, ...(needed.length > 0 && (await ask(missing))) };
  trafficOf(flags); // before anything is started
  const { report, modelPath } = await makePlan(loaded, flags);
  return integrationFiles({
    report,
    application: flags.application ?? "",
    port,
    portFree: await isFree(port),
    modelFolder: dirname(modelPath),
    command: commandOf(flags, port),
  });
}

/** As a shell takes it. */
function commandOf(flags: IntegrationFlags, port: number): string {
  const quoted = (text: string) => (/^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const said = QUESTIONS.flatMap(({ name, flag }) => (flags[name] === undefined ? [] : [`${flag} ${quoted(flags[name])}`]));
  return ["shimmy init --template integration", ...said, `--port ${port}`, "--force"].join(" ");
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
