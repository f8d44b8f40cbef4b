/** `shimmy show`: all that is known of one model without loading it. */
import type { LoadedConfig } from "../config/load.ts";
import { size } from "../contract/byte-size.ts";
import type { ModelInfo } from "../contract/model.ts";
import { spelled } from "../contract/sampling-names.ts";
import { authorDefaults } from "../models/author-sampling.ts";
import { readGgufHeader } from "../models/gguf/header.ts";
import type { GgufValue } from "../models/gguf/values.ts";
import { resolveModel, withAliases } from "../models/resolve.ts";
import { count } from "./list.ts";
import { openHere } from "./open.ts";
import { printable, printJson, printTable } from "./output.ts";

interface Flags {
  template?: boolean;
  metadata?: boolean;
  json?: boolean;
}

/** @throws model_not_found: another model than the named one would be no answer. */
export async function show(loaded: LoadedConfig, name: string, flags: Flags): Promise<void> {
  const { catalogue, aliases } = await openHere(loaded);
  const table = await aliases.current();
  const models = withAliases(await catalogue.list(), table);
  const { defaultModel } = loaded.config;
  const options = { strict: true, aliases: table, ...(defaultModel !== undefined && { default: defaultModel }) };
  const { info } = resolveModel(name, models, options);
  const metadata = flags.metadata ? await metadataOf(info) : undefined;
  if (flags.json) printJson({ ...info, ...(metadata && { metadata }) });
  else if (flags.template || metadata) {
    if (flags.template) printTemplate(info);
    for (const [key, value] of Object.entries(metadata ?? {})) process.stdout.write(`${printable(`${key} = ${line(value)}`)}\n`);
  } else printTable(rows(info));
}

function rows(info: ModelInfo): string[][] {
  const { chatTemplate, templateFormat = "other" } = info;
  return [
    ["model", info.id],
    ["aliases", info.aliases?.join(", ") || "none"],
    ["family", info.family],
    ["architecture", info.architecture],
    ["parameters", count(info.parameters)],
    ["quantization", info.quantization],
    ["context", `${info.contextLength} tokens`],
    ["capabilities", info.capabilities?.join(", ") || "none"],
    ["template", chatTemplate === undefined ? "none" : `${templateFormat}, ${chatTemplate.length} characters (--template prints it)`],
    ["sampling", samplingLine(info)],
    ["size", `${size(info.sizeBytes)} (${info.sizeBytes} bytes)`],
    ["license", info.license ?? "not told"],
    ["digest", info.digest ?? "not told by its store"],
    ["kv cache", `${info.kvBytesPerToken} bytes a token (f16)`],
    ["modified", new Date(info.modifiedMs).toISOString()],
    ["source", info.source],
    ["path", info.path],
  ];
}

/** What holds where a request says nothing, as far as the model's authors said it. */
function samplingLine(info: ModelInfo): string {
  const { sampling, stop, maxTokens, ignored } = authorDefaults(info);
  const words = Object.entries(spelled(sampling)).map(([name, value]) => `${name} ${value}`);
  if (stop) words.push(`stop ${stop.map((each) => JSON.stringify(each)).join(" ")}`);
  if (maxTokens !== undefined) words.push(`at most ${maxTokens} tokens`);
  const refused = ignored.length > 0 ? ` (out of range and ignored: ${ignored.join(", ")})` : "";
  return (words.join(", ") || "the server's defaults") + refused;
}

function printTemplate({ id, chatTemplate }: ModelInfo): void {
  if (chatTemplate === undefined) process.stderr.write(printable(`${id} has no chat template.`).concat("\n"));
  else process.stdout.write(`${printable(chatTemplate, { lines: true })}\n`);
}

type MetadataValue = string | number | boolean | ReadonlyArray<string | number | boolean> | { type: string; count: number };

/** The entries of the (first) file; of a long array, such as the vocabulary, its type and length only. */
async function metadataOf({ path }: ModelInfo): Promise<Readonly<Record<string, MetadataValue>>> {
  const { metadata } = await readGgufHeader(path, { checksVocabulary: false });
  return Object.fromEntries([...metadata].map(([key, value]) => [key, readable(value)]));
}

function readable(value: GgufValue): MetadataValue {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object") return value;
  if (value.kind === "longString") return { type: "bytes of text", count: value.bytes };
  return value.values?.map((item) => (typeof item === "bigint" ? String(item) : item)) ?? { type: value.type, count: value.count };
}

function line(value: MetadataValue): string {
  if (typeof value === "object") return "type" in value ? `[${value.count} ${value.type}]` : `[${value.join(", ")}]`;
  return String(value);
}
