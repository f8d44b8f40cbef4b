/** `shimmy init`: writes the files of a template. What is there already is shown as a diff, and stays unless --force is said. */
import { VERSION } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { findTemplate, listTemplates } from "../deploy/init/index.ts";
import { type InitFlags, type TemplateDefaults, templateOptions } from "../deploy/init/options.ts";
import type { TemplateFile } from "../deploy/init/template.ts";
import { type Comparison, compareFiles, writeFiles } from "../deploy/init/write.ts";
import { allowedCores } from "../models/machine.ts";
import { estimatedMemory } from "./estimated-memory.ts";
import { type IntegrationFlags, integration } from "./init-integration.ts";
import { printable, printJson, printTable } from "./output.ts";

interface Flags extends InitFlags, IntegrationFlags {
  template?: string;
  list?: boolean;
  out: string;
  /** The Rust original's name of --out. */
  output?: string;
  force?: boolean;
  json?: boolean;
}

export async function init(loaded: LoadedConfig, flags: Flags): Promise<void> {
  if (flags.list) return list(flags.json);
  if (flags.template === undefined) throw new ShimmyError("flags_needed", { flags: "--template (or --list)" });
  const template = findTemplate(flags.template);
  const measures = template === "integration";
  const options = templateOptions(flags, await defaults(loaded, flags, measures));
  await write(measures ? await integration(loaded, flags, options.port) : template.files(options), flags);
}

function list(json = false): void {
  const templates = listTemplates();
  if (json) printJson({ templates });
  else printTable(templates.map(({ name, summary, aliases = [] }) => [[name, ...aliases].join(", "), summary]));
}

async function write(files: readonly TemplateFile[], { out, output = out, force = false, json }: Flags): Promise<void> {
  const compared = await compareFiles(output, files);
  for (const { diff } of compared) if (diff !== undefined) process.stderr.write(`${printable(diff, { lines: true })}\n`);
  await writeFiles(compared, force);
  if (json) printJson({ files: compared.map(({ path, state }) => ({ path, state: WORDS[state] })) });
  else for (const { path, state } of compared) process.stdout.write(`${WORDS[state]} ${printable(path)}\n`);
}

const WORDS: Readonly<Record<Comparison["state"], string>> = { new: "written", same: "unchanged", differs: "overwritten" };

async function defaults(loaded: LoadedConfig, { models = [], memory }: Flags, measures: boolean): Promise<TemplateDefaults> {
  const { config } = loaded;
  const needed = memory === undefined && !measures ? await estimatedMemory(loaded, models) : { memoryBytes: 0, memoryReason: "" };
  return { port: config.port, ...needed, cpus: allowedCores(), version: VERSION };
}
