/**
 * Schemas whose compilation is work: an enum of 20,000 strings, and one that refers to itself. While two clients read, one asks
 * with the schema: when does its first token come, and does the compiler stop the readers?
 */
import { setTimeout as delay } from "node:timers/promises";
import { type RequestRecord, streamChat } from "../../src/bench/measure/client.ts";
import { type Figure, gapsWithin, median, ms, percentile } from "../../src/bench/measure/figures.ts";
import { startReaders } from "../../src/bench/workloads/readers.ts";
import { words } from "../../src/bench/workloads/words.ts";
import type { Workload, WorkloadContext } from "../../src/bench/workloads/workload.ts";

const READERS = 2;
/** Long: a reader who has to ask again meanwhile sees no stall. */
const READER_TOKENS = 1_500;
/** Enough to know an undisturbed step. */
const READ_BEFORE = 32;
const ENUM_STRINGS = 20_000;
const ANSWER_TOKENS = 160;
const SETTLING_MS = 200;

/** A word and a number each, so that many begin alike and none is the beginning of another. */
function enumStrings(): string[] {
  const names = words(ENUM_STRINGS, 7_000).replaceAll(".", "").split(" ");
  return names.map((name, i) => `${name}-${10_000 + i}`);
}

/** Nothing around it: the first token is already one of 20,000 alternatives. */
function enumSchema(): unknown {
  return { type: "string", enum: enumStrings() };
}

/** A folder of folders: recursion through `$ref`, with arrays, an enum and an optional part. */
const RECURSIVE_SCHEMA = {
  type: "object",
  properties: { root: { $ref: "#/$defs/node" } },
  required: ["root"],
  additionalProperties: false,
  $defs: {
    node: {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 16 },
        kind: { enum: ["file", "folder"] },
        owner: { anyOf: [{ type: "null" }, { $ref: "#/$defs/owner" }] },
        children: { type: "array", items: { $ref: "#/$defs/node" }, maxItems: 3 },
      },
      required: ["name", "kind", "owner", "children"],
      additionalProperties: false,
    },
    owner: { type: "object", properties: { id: { type: "integer" } }, required: ["id"], additionalProperties: false },
  },
};

async function runSchema(context: WorkloadContext, schema: unknown, question: string): Promise<RequestRecord[]> {
  const { target, clients, signal } = context;
  const messages = [{ role: "user" as const, content: question }];
  const ask = { messages, mayEnd: true, client: clients, signal } as const;
  const enough = new AbortController();
  const readers = startReaders(context, { count: clients, tokens: READER_TOKENS, before: READ_BEFORE, until: enough.signal });
  await readers.reading;
  // The same prompt without a schema, on a slot that the readers leave alone: what stops them later is the schema and not a prefill.
  const primer = await streamChat(target, { ...ask, tokens: 1, group: "primer" });
  // The step that computed it is over for the readers too.
  await delay(SETTLING_MS);
  const asked = await streamChat(target, {
    ...ask,
    responseFormat: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } },
    tokens: ANSWER_TOKENS,
    group: "schema",
  });
  enough.abort();
  return [primer, ...(await readers.done), asked];
}

function figures(records: readonly RequestRecord[]): Figure[] {
  const asked = records.find((record) => record.group === "schema");
  if (!asked) return [];
  const readers = records.filter((record) => record.group === "reader");
  // To its end: an automaton may be built, or walked slowly, at every token.
  const stall = percentile(gapsWithin(readers, asked.sentMs, asked.endMs), 1);
  const step = median(gapsWithin(readers, Number.NEGATIVE_INFINITY, asked.sentMs));
  return [
    // Without any token in the time allowed: at least so long. The run is marked as failed then.
    ms("TTFT", (asked.chunkMs[0] ?? asked.endMs) - asked.sentMs),
    ms("readers' largest stall", stall),
    { name: "stall in steps", unit: "steps", better: "lower", value: stall / step },
    ms("schema answered after", asked.endMs - asked.sentMs),
  ];
}

/** `valid` judges a whole answer; one that its token limit cut is left alone. */
function invalid(records: readonly RequestRecord[], valid: (value: unknown) => boolean): string[] {
  const ended = records.filter((r) => r.group === "schema" && r.error === undefined && r.finishReason === "stop");
  return ended.flatMap(({ text }) => (conforms(text, valid) ? [] : [`the answer is not what the schema asks: ${text.slice(0, 80)}`]));
}

function conforms(text: string, valid: (value: unknown) => boolean): boolean {
  try {
    return valid(JSON.parse(text));
  } catch {
    return false; // not even JSON
  }
}

interface Node {
  readonly name: string;
  readonly kind: string;
  readonly owner: { readonly id: number } | null;
  readonly children: readonly Node[];
}

/** By hand, since the bench must not believe a library that a contestant may use too. */
function isNode(value: unknown): value is Node {
  if (typeof value !== "object" || value === null || Object.keys(value).sort().join() !== "children,kind,name,owner") return false;
  const { name, kind, owner, children } = value as Record<keyof Node, unknown>;
  const owned = owner === null || (typeof owner === "object" && Number.isInteger((owner as { id?: unknown }).id));
  const named = typeof name === "string" && [...name].length <= 16 && (kind === "file" || kind === "folder");
  return named && owned && Array.isArray(children) && children.length <= 3 && children.every(isNode);
}

const common = { clients: [READERS], fixedClients: true, mayBundle: true, figures } as const;

export const schemaEnum: Workload = {
  ...common,
  name: "schema-enum",
  summary: "2 readers, then an answer from an enum of 20,000 strings",
  run: (context) => runSchema(context, enumSchema(), "Choose a word and a number. Answer in JSON."),
  problems(records) {
    const strings: ReadonlySet<unknown> = new Set(enumStrings());
    return invalid(records, (value) => strings.has(value));
  },
};

export const schemaRecursive: Workload = {
  ...common,
  name: "schema-recursive",
  summary: "2 readers, then an answer by a schema that refers to itself",
  run: (context) => runSchema(context, RECURSIVE_SCHEMA, `Describe folder number ${context.round} as a tree in JSON.`),
  problems: (records) => invalid(records, (value) => isNode((value as { root?: unknown }).root)),
};
