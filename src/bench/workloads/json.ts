/**
 * Answers in the form of a JSON schema, 4 clients: one schema for all, one of its own for each request, and the same prompts without
 * any, to compare with. The schemas cannot be finished in the tokens asked for, so all answers have the same length everywhere.
 */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import { commonFigures } from "../measure/figures.ts";
import { decodeWork, requestsPerClient } from "./decode.ts";
import { answerTokens, concurrently, countOf, type Workload, type WorkloadContext } from "./workload.ts";

const CLIENTS = 4;
const TOKENS = 96;

type SchemaOf = (id: number) => unknown;

/** A typical order: strings with bounds, numbers, an enum, an array of objects. `suffix` makes its words, and so its automaton, its own. */
function orderSchema(suffix: string): unknown {
  const item = closed({
    [`name${suffix}`]: { type: "string", maxLength: 24 },
    [`price${suffix}`]: { type: "number" },
    [`count${suffix}`]: { type: "integer", minimum: 0, maximum: 999 },
    [`available${suffix}`]: { type: "boolean" },
  });
  return closed({
    [`customer${suffix}`]: { type: "string", maxLength: 24 },
    [`state${suffix}`]: { enum: ["open", "paid", "sent"] },
    [`tags${suffix}`]: { type: "array", items: { type: "string", maxLength: 12 }, minItems: 1, maxItems: 3 },
    [`items${suffix}`]: { type: "array", items: item, minItems: 30, maxItems: 40 },
  });
}

/** Every property required, no others. */
function closed(properties: Readonly<Record<string, unknown>>): unknown {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}

function runJson(context: WorkloadContext, schemaOf: SchemaOf | undefined): Promise<RequestRecord[]> {
  const { target, clients, round, signal } = context;
  const count = context.requests ?? countOf(context, requestsPerClient(clients));
  const tokens = answerTokens(context, TOKENS);
  return concurrently(clients, async (client) => {
    const records: RequestRecord[] = [];
    for (let index = 0; index < count && !signal.aborted; index++) {
      const id = round * 10_000 + client * 100 + index;
      const messages = [{ role: "user" as const, content: `Write an order of 40 items for customer number ${id} as JSON.` }];
      const schema = schemaOf?.(id);
      const responseFormat = { type: "json_schema", json_schema: { name: "order", strict: true, schema } };
      records.push(await streamChat(target, { messages, tokens, client, signal, ...(schema === undefined ? {} : { responseFormat }) }));
    }
    return records;
  });
}

/** Answers that do not even begin as the schema demands were never constrained. */
function unconstrained(records: readonly RequestRecord[]): string[] {
  const free = records.filter((r) => r.error === undefined && !beginsAsAsked(r.text));
  return free.length === 0 ? [] : [`${free.length} answers do not follow their schema, first: ${free[0]!.text.slice(0, 60)}`];
}

/** Short answers may not even have come to the end of the first name. */
function beginsAsAsked(text: string): boolean {
  const begin = '{"customer';
  const given = text.replace(/\s/g, "").slice(0, begin.length);
  if (given.length < begin.length) return given !== "" && begin.startsWith(given);
  return /^\s*\{\s*"customer(_\d+)?("?$|"\s*:\s*("|$))/.test(text);
}

function workload(name: string, summary: string, schemaOf: SchemaOf | undefined): Workload {
  return {
    ...{ name, summary, clients: [CLIENTS], fixedClients: true },
    run: (context) => runJson(context, schemaOf),
    work: decodeWork,
    // Forced tokens come several at a time, so gaps would compare unlike things.
    figures: (records) => commonFigures(records).filter(({ name }) => !name.startsWith("gap")),
    ...(schemaOf ? { mayBundle: true, problems: unconstrained } : {}),
  };
}

export const json4 = workload("json4", "4 clients, one JSON schema, 96 tokens each", () => orderSchema(""));
export const json4Diff = workload("json4-diff", "the same, a schema of its own for each request", (id) => orderSchema(`_${id}`));
export const json4Text = workload("json4-text", "the prompts of json4 without a schema", undefined);
